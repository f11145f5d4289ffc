"""Maps of a comparison: items by their embeddings, models beside each other, and by their generated kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tf_metammf.records.drawings import COLOURS, INK
from tf_metammf.trainer.comparison.item_kinds import ItemKinds
from tf_metammf.trainer.comparison.model_names import plot_label

SHOWN_ITEMS = 2000
"""Items on a map at most, drawn at random."""


@dataclass(frozen=True)
class ItemMap:
    """A map before it is drawn.

    Attributes:
        title: What stands above it.
        vectors: Of all items, ``[items, width]``.
    """

    title: str
    vectors: NDArray[np.floating]


def draw_maps(maps: Sequence[ItemMap], kinds: ItemKinds, cold: NDArray[np.bool_]) -> tuple[str, Figure]:
    """Draws maps beside each other, of the same items; cold items have a ring.

    Args:
        maps: At least one.
        kinds: What items are coloured by.
        cold: Items without training interactions, ``[items]``.

    Returns:
        What is drawn, in words, and the figure.
    """
    chosen = np.flatnonzero(kinds.of_item >= 0)
    if len(chosen) > SHOWN_ITEMS:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, SHOWN_ITEMS, replace=False))
    width = 7.4 / len(maps) if len(maps) > 1 else 4.6
    figure = Figure(figsize=(7.4, width + 1.1), layout="constrained")
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    for axes, each in zip(panels, maps, strict=True):
        method, places = _plane(each.vectors[chosen])
        _draw_items(axes, places, kinds.of_item[chosen], cold[chosen], size=_size(len(chosen), len(maps)))
        axes.set(title=plot_label(each.title))
    figure.legend(handles=_handles(kinds, has_cold=bool(cold[chosen].any())), loc="outside lower left", ncols=3)
    return f"{len(chosen):,} items, {method}, coloured by {kinds.source}", figure


def _draw_items(
    axes: Any, places: NDArray[np.floating], kind: NDArray[np.int64], cold: NDArray[np.bool_], *, size: float
) -> None:
    across, up = places.T
    # In an order that has nothing to do with kinds: none lies on top of all others.
    order = np.random.default_rng(0).permutation(len(kind))
    palette = np.array(COLOURS)
    axes.scatter(
        across[order], up[order], s=size, alpha=0.8, linewidths=0, c=palette[kind[order] % len(palette)].tolist()
    )
    axes.scatter(across[cold], up[cold], s=3 * size, facecolors="none", edgecolors=INK, linewidths=0.4, alpha=0.5)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_visible(True)
    axes.spines[:].set_alpha(0.25)


def _size(items: int, maps: int) -> float:
    """Of a dot, in square points: one that leaves ground to see, where many stand on a small map."""
    return min(22.0, max(2.0, 14_000 / items / maps**0.5))


def _handles(kinds: ItemKinds, *, has_cold: bool) -> list[Line2D]:
    dot: Mapping[str, Any] = {"marker": "o", "linestyle": "", "markersize": 5}
    handles = [
        Line2D([], [], color=COLOURS[place % len(COLOURS)], markeredgewidth=0, label=plot_label(name), **dot)
        for place, name in enumerate(kinds.names)
    ]
    if has_cold:
        ring = {**dot, "markersize": 7, "color": INK, "markerfacecolor": "none", "markeredgewidth": 0.6}
        handles.append(Line2D([], [], label="cold item", **ring))
    return handles


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
