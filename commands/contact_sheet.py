"""A contact sheet: queries and the covers of what was recommended for them, as one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SheetRow:
    """One query.

    Attributes:
        label: Whom or what the covers are for.
        liked: Captions and pictures of what is known of the query: the cover of a clip, or covers of liked items.
        found: Captions and pictures of what was recommended.
    """

    label: str
    liked: Sequence[tuple[str, Path]]
    found: Sequence[tuple[str, Path]]


def write_contact_sheet(path: Path, rows: Sequence[SheetRow], *, title: str) -> None:
    """Draws a row for every query: what is known of it, and then what was recommended.

    Args:
        path: The picture to write, ``.png``.
        rows: The queries; pictures that are missing stay empty.
        title: What stands above all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known, found = max(len(row.liked) for row in rows), max(len(row.found) for row in rows)
    figure = Figure(figsize=(1.15 * (known + found) + 1.2, 1.5 * len(rows) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(len(rows), known + found + 1, squeeze=False, width_ratios=[1] * known + [0.15] + [1] * found)
    for row, cells in zip(rows, axes, strict=True):
        for cell in cells:
            cell.set_axis_off()
        cells[0].set_title(row.label, fontsize=8, loc="left", pad=14, fontweight="bold")
        for cell, picture in zip(cells[:known], row.liked, strict=False):
            _draw(cell, *picture)
        cells[known].axvline(0.5, color="0.6")
        for cell, picture in zip(cells[known + 1 :], row.found, strict=False):
            _draw(cell, *picture)
    figure.savefig(path, dpi=120)


def _draw(cell: Any, caption: str, picture: Path) -> None:
    from matplotlib.image import imread

    cell.text(0.5, -0.03, caption, fontsize=6, ha="center", va="top", transform=cell.transAxes)
    if picture.is_file():
        cell.imshow(imread(picture))
