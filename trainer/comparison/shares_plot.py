"""The plot of how much each modality decides, by kind of item."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tf_metammf.records.drawings import COLOURS
from tf_metammf.trainer.comparison.item_kinds import ItemKinds
from tf_metammf.trainer.comparison.model_names import plot_label

Shares = tuple[list[str], NDArray[np.float32]]
"""Names of modalities, and shares ``[items, modalities]``."""

_LEAST_RANGE = 0.05
_STRONGEST = 0.65
"""Opacity of the ends: words in the ink of the page are legible on it."""


def shares_plot(shares: Mapping[str, Shares], kinds: ItemKinds) -> Figure:
    """Draws a table for every model: shares of its modalities, averaged over the items of each kind.

    The colour is how far a share is from ``1 / M``, which each of ``M`` modalities would have if all decided alike:
    none there, blue above, orange below, as strong in all tables.

    Args:
        shares: By model.
        kinds: Kinds of items.
    """
    tables = {
        name: np.array([_mean(of_items[kinds.of_item == kind]) for kind in range(len(kinds.names))])
        for name, (_, of_items) in shares.items()
    }
    reach = max(_LEAST_RANGE, *(float(np.abs(table - 1 / table.shape[1]).max()) for table in tables.values()))
    columns = max(len(modalities) for modalities, _ in shares.values())
    rows = -(-len(tables) // 2)
    across = min(2, len(tables))
    height = 0.7 + 0.34 * len(kinds.names)
    figure = Figure(figsize=(min(7.4, 2.6 + 0.9 * columns * across), rows * height + 0.6), layout="constrained")
    panels = figure.subplots(rows, across, squeeze=False, sharey=True)
    for axes, (name, table) in zip(panels.flat, tables.items(), strict=False):
        image = axes.pcolormesh(
            table - 1 / table.shape[1], cmap=_diverging(), vmin=-reach, vmax=reach, edgecolors="none", linewidth=0
        )
        for (row, column), value in np.ndenumerate(table):
            axes.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center")
        axes.set_xticks(np.arange(table.shape[1]) + 0.5, list(map(plot_label, shares[name][0])))
        axes.set_title(plot_label(name))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.grid(visible=False)
    for axes in panels.flat[len(tables) :]:
        axes.set_visible(False)
    counts = [int((kinds.of_item == kind).sum()) for kind in range(len(kinds.names))]
    labels = [f"{plot_label(name)}: {count:,}" for name, count in zip(kinds.names, counts, strict=True)]
    panels[0, 0].set_yticks(np.arange(len(labels)) + 0.5, labels)
    panels[0, 0].invert_yaxis()
    bar = figure.colorbar(image, ax=list(panels.flat), label="share minus 1 / M", shrink=0.8)
    bar.outline.set_visible(False)
    return figure


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = rows.sum(axis=0) / max(len(rows), 1)
    return mean


def _diverging() -> LinearSegmentedColormap:
    """From orange over nothing to blue, on any ground."""
    below, above = COLOURS[1], COLOURS[0]
    ends = [to_rgba(below, _STRONGEST), to_rgba(below, 0), to_rgba(above, 0), to_rgba(above, _STRONGEST)]
    return LinearSegmentedColormap.from_list("around", list(zip((0, 0.5, 0.5, 1), ends, strict=True)))
