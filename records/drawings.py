"""Drawings of reports: SVG whose words are text and whose ink is that of the page, light or dark."""

import io
from contextlib import AbstractContextManager
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the colour of text until the page replaces it; nothing else has it."""

GROUND = "#fefdfc"
"""Stands for the colour of the page, likewise."""

REFERENCE = "#808890"
"""What others are held against."""

COLOURS = (
    "#2f7fd0",
    "#d9730d",
    "#2e9e5b",
    "#9a63d8",
    "#d94b58",
    "#1f9aa0",
    "#a6703f",
    "#d0569d",
    "#8a8f1a",
)
"""Each, and :data:`REFERENCE`, has a contrast of at least 3 to white and to the ground of dark pages (WCAG 2.2)."""

_INKS = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tf-metammf",
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.alpha": 0.15,
    "legend.frameon": False,
    **dict.fromkeys(_INKS, INK),
}

_ALONE = (
    "<style>svg{color:#1f2328;--ground:#fff;background:#fff}"
    "@media (prefers-color-scheme:dark){svg{color:#e6edf3;--ground:#0d1117;background:#0d1117}}</style>"
)


def drawing_style() -> AbstractContextManager[None]:
    """What figures have to be made and saved in, to be those of a page."""
    return rc_context(_STYLE)


def page_svg(figure: Figure, *, title: str) -> str:
    """A figure as an element of a page, whose ink and ground it takes.

    Args:
        figure: Made in :func:`drawing_style`.
        title: A short name.

    Returns:
        ``<svg ...>``; the same for the same figure.
    """
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    drawing = text.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    return drawing.replace(INK, "currentColor").replace(GROUND, "var(--ground)")


def standalone_svg(drawing: str) -> str:
    """The same drawing as a file, with ink and ground for light and dark.

    Args:
        drawing: As :func:`page_svg` returns it.
    """
    place = drawing.index(">") + 1
    return f'<?xml version="1.0" encoding="utf-8"?>\n{drawing[:place]}{_ALONE}{drawing[place:]}'


def png(figure: Figure) -> bytes:
    """A figure as a picture on white."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150, facecolor="white")
    return content.getvalue()
