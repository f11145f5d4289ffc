"""Plots of a comparison that look into its models: maps of items, and shares of modalities."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.fusion.kernel_coordinates import catalogue_kernel_coordinates
from tf_metammf.fusion.modality_shares import catalogue_shares
from tf_metammf.trainer.comparison.comparison_directory import Comparison
from tf_metammf.trainer.comparison.item_kinds import ItemKinds
from tf_metammf.trainer.comparison.maps import ItemMap, draw_maps
from tf_metammf.trainer.comparison.model_styles import main_reference
from tf_metammf.trainer.comparison.plots import Plot
from tf_metammf.trainer.comparison.shares_plot import Shares, shares_plot
from tf_metammf.trainer.evaluation import load_model

HEAT_MAPS = 4
"""Models whose shares are shown, the best first."""

MAPS = 3
"""Models beside each other on the map of embeddings."""


def plots_of_models(
    comparison: Comparison, results: Mapping[str, Any], kinds: ItemKinds, records: Any
) -> dict[str, Plot]:
    """Plots by file name, those for which there is a model; all are of the first seed.

    Args:
        comparison: The comparison, complete.
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        kinds: What items are coloured by.
        records: The folder of the record set.
    """
    by_name = {model.name: model for model in comparison.models}
    trained = [name for name in results["models"] if not by_name[name].space.configuration({}).model.is_baseline]
    titles = _mapped_models(comparison, results, trained)
    shares: dict[str, Shares] = {}
    embeddings: dict[str, ItemMap] = {}
    kernels: ItemMap | None = None
    cold: NDArray[np.bool_] = np.zeros(len(kinds.of_item), bool)
    for name in trained:
        if name not in titles and kernels is not None and len(shares) == HEAT_MAPS:
            continue
        model, data = load_model(by_name[name].run(comparison.seeds[0]), records)
        cold = ~data.warm_items
        looks_at_content = model.embeds_new_items or model.item_tower.fusion is not None
        if looks_at_content and len(shares) < HEAT_MAPS and len(model.item_features.widths) > 1:
            shares[name] = sorted(model.item_features.widths), catalogue_shares(model)
        if name in titles:
            embeddings[name] = ItemMap(titles[name], model.item_embeddings().numpy())
        if kernels is None and (coordinates := catalogue_kernel_coordinates(model)) is not None:
            kernels = ItemMap(name, coordinates)
    found: dict[str, Plot] = {}
    if shares:
        explanation = (
            "How much the fused vector changes without the modality, relative to the others: 1 / M if all of M decide "
            "alike, blue above, orange below."
        )
        found["shares"] = Plot("Shares of modalities by kind of item", explanation, shares_plot(shares, kinds))
    if embeddings:
        explanation, figure = draw_maps([embeddings[name] for name in titles], kinds, cold)
        explanation += "; each map has its own directions"
        found["embeddings"] = Plot("Items by their embeddings", _sentence(explanation), figure)
    if kernels is not None:
        explanation, figure = draw_maps([kernels], kinds, cold)
        distances = "distances are those between the kernels of two items"
        found["kernels"] = Plot("Items by their generated kernels", _sentence(f"{explanation}; {distances}"), figure)
    return found


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _mapped_models(comparison: Comparison, results: Mapping[str, Any], trained: list[str]) -> dict[str, str]:
    """The best model, the reference, the best dynamic and the best static one, as far as there are, with titles."""
    models = {each.name: each.space.configuration({}).model for each in comparison.models}
    fusing = [name for name in trained if models[name].fuses]
    roles = {
        "best": trained,
        "reference": [name for name in trained if name == main_reference(results)],
        "dynamic": [name for name in fusing if models[name].fusion.generates_kernels],
        "static": [name for name in fusing if not models[name].fusion.generates_kernels],
    }
    titles: dict[str, list[str]] = {}
    for role, names in roles.items():
        if names and (names[0] in titles or len(titles) < MAPS):
            titles.setdefault(names[0], []).append(role)
    return {name: f"{name} ({', '.join(of_model)})" for name, of_model in titles.items()}
