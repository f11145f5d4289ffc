"""Plots of a comparison that look into models: shares of modalities by kind of item, maps of embeddings and kernels."""

import logging
from importlib.util import find_spec
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tf_metammf.fusion.kernel_coordinates import catalogue_kernel_coordinates
from tf_metammf.fusion.modality_shares import catalogue_shares
from tf_metammf.trainer.comparison.comparison_directory import ComparedModel, Comparison
from tf_metammf.trainer.comparison.item_kinds import ItemKinds
from tf_metammf.trainer.comparison.model_names import plot_label
from tf_metammf.trainer.evaluation import load_model

logger = logging.getLogger(__name__)

SHOWN_ITEMS = 2000
"""Items on a map at most, drawn at random."""

HEAT_MAPS = 4
"""Models whose shares are shown, the best first."""


def comparison_maps(
    comparison: Comparison, ordered: list[str], kinds: ItemKinds, records: Any
) -> dict[str, tuple[str, Figure]]:
    """Plots by file name: what each shows, and the figure; those for which there is a model.

    All are of the first seed. Shares of modalities are shown for the best models that look at content; the embeddings
    are those of the best model, the kernels those of the best model whose fusion generates kernels.

    Args:
        comparison: The comparison, complete.
        ordered: Names of the models, the best first.
        kinds: What items are coloured by.
        records: The folder of the record set.
    """
    by_name = {model.name: model for model in comparison.models}
    shares: dict[str, tuple[list[str], NDArray[np.float32]]] = {}
    found: dict[str, tuple[str, Figure]] = {}
    for name in ordered:
        wants_embeddings = "embeddings" not in found
        if by_name[name].space.configuration({}).model.is_baseline:
            continue
        if not wants_embeddings and "kernels" in found and len(shares) == HEAT_MAPS:
            break
        model = _trained(by_name[name], comparison, records)
        looks_at_content = model.embeds_new_items or model.item_tower.fusion is not None
        if looks_at_content and len(shares) < HEAT_MAPS and len(model.item_features.widths) > 1:
            shares[name] = sorted(model.item_features.widths), catalogue_shares(model)
        if wants_embeddings:
            caption = f"Item embeddings of {name}; coloured by {kinds.source}"
            found["embeddings"] = _map(caption, model.item_embeddings().numpy(), kinds)
        coordinates = None if "kernels" in found else catalogue_kernel_coordinates(model)
        if coordinates is not None:
            caption = f"Generated kernels of {name}; distances are those between the kernels of two items"
            found["kernels"] = _map(caption, coordinates, kinds)
    if shares:
        found["shares"] = ("Shares of modalities by kind of item; " + _SHARE, _heat_maps(shares, kinds))
    return found


_SHARE = "how much the fused vector changes without the modality, relative to the others"


def _trained(model: ComparedModel, comparison: Comparison, records: Any) -> Any:
    trained, _ = load_model(model.run(comparison.seeds[0]), records)
    return trained


def _map(caption: str, vectors: NDArray[np.floating], kinds: ItemKinds) -> tuple[str, Figure]:
    from matplotlib import colormaps

    chosen = np.flatnonzero(kinds.of_item >= 0)
    if len(chosen) > SHOWN_ITEMS:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, SHOWN_ITEMS, replace=False))
    method, places = _plane(vectors[chosen])
    figure = Figure(figsize=(8, 6), layout="constrained")
    panel = figure.subplots()
    palette = colormaps["tab10"]
    for kind, name in enumerate(kinds.names):
        members = kinds.of_item[chosen] == kind
        across, up = places[members].T
        panel.scatter(across, up, s=7, alpha=0.7, linewidths=0, color=palette(kind % 10), label=plot_label(name))
    panel.set(xticks=[], yticks=[])
    panel.set_aspect("equal", adjustable="datalim")
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), markerscale=2.5)
    return f"{caption}, {len(chosen):,} items, {method}", figure


def _plane(vectors: NDArray[np.floating]) -> tuple[str, NDArray[np.floating]]:
    """Two coordinates: t-SNE where scikit-learn is installed, else the first two principal components."""
    centred = vectors - vectors.mean(axis=0)
    # Eight items are too few for t-SNE's neighbourhoods.
    if find_spec("sklearn") is not None and len(vectors) > 8 and np.ptp(centred) > 0:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits

        perplexity = min(30.0, (len(vectors) - 1) / 3)
        # Threads that wait for each other in every of a thousand short steps take longer than one alone.
        with threadpool_limits(1, user_api="openmp"):
            return "t-SNE", TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(centred)
    values, _, directions = np.linalg.svd(centred, full_matrices=False)
    del values
    plane = np.zeros((len(vectors), 2))
    plane[:, : min(2, len(directions))] = centred @ directions[:2].T
    return "the first two principal components", plane


def _heat_maps(shares: dict[str, tuple[list[str], NDArray[np.float32]]], kinds: ItemKinds) -> Figure:
    columns = sum(len(modalities) for modalities, _ in shares.values())
    figure = Figure(figsize=(2.5 + 1.2 * columns, 1.5 + 0.4 * len(kinds.names)), layout="constrained")
    widths = [len(modalities) for modalities, _ in shares.values()]
    panels = figure.subplots(1, len(shares), squeeze=False, sharey=True, width_ratios=widths)[0]
    for panel, (name, (modalities, of_items)) in zip(panels, shares.items(), strict=True):
        members = [of_items[kinds.of_item == kind] for kind in range(len(kinds.names))]
        table = np.array([rows.sum(axis=0) / max(len(rows), 1) for rows in members])
        image = panel.imshow(table, vmin=0, vmax=1, cmap="viridis", aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            panel.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.6 else "black")
        panel.set_xticks(range(len(modalities)), list(map(plot_label, modalities)))
        panel.set_title(plot_label(name), fontsize=10)
    counts = [int((kinds.of_item == kind).sum()) for kind in range(len(kinds.names))]
    labels = [f"{plot_label(name)}: {count:,}" for name, count in zip(kinds.names, counts, strict=True)]
    panels[0].set_yticks(range(len(kinds.names)), labels)
    figure.colorbar(image, ax=list(panels), label="share")
    return figure
