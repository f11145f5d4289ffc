"""The plot of what a fusion over time attends to in one item."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.item_attention import TokenWeights


def draw_attention(attention: Mapping[str, TokenWeights], file: Path, *, title: str = "") -> None:
    """Draws time on the x axis and a row for every modality, the darker, the more a token counts.

    Args:
        attention: Of one item, as :func:`tf_metammf.fusion.item_attention.item_attention` gives it.
        file: The picture to write; its ending says its type, such as ``.png`` or ``.svg``.
        title: Stands above the plot.

    Raises:
        InvalidInputError: The item has no modality.
    """
    if not attention:
        raise InvalidInputError("the item has no modality, so there is no attention to draw.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    ends = {name: _borders(one.times)[-1] for name, one in attention.items()}
    end = max(ends.values())
    largest = max(float(one.weights.max()) for one in attention.values())
    scale = ScalarMappable(Normalize(0, largest or 1.0), cmap="Blues")
    figure = Figure(figsize=(8, 1.2 + 0.5 * len(attention)), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for row, one in enumerate(attention.values()):
        # A single token belongs to all of the item.
        borders = _borders(one.times) if len(one.times) > 1 else np.array([0.0, end])
        colours = scale.to_rgba(one.weights)
        panel.barh(
            np.full(len(one.times), row),
            np.diff(borders),
            left=borders[:-1],
            height=0.8,
            color=colours,
            edgecolor="0.8",
            linewidth=0.5,
        )
    panel.set_yticks(range(len(attention)), list(attention))
    panel.invert_yaxis()
    panel.set(xlim=(0, end), xlabel="seconds")
    panel.set_title(title, fontsize="medium")
    panel.spines[["top", "right", "left"]].set_visible(False)
    figure.colorbar(scale, ax=panel, label="attention")
    figure.savefig(file, dpi=120)


def _borders(times: np.ndarray) -> np.ndarray:
    """When tokens begin, and when the last one ends: it is as long as the others are in the mean."""
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0
    return np.append(times, times[-1] + max(float(step), 1e-6))
