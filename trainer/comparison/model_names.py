"""Names of compared models: which are accepted, and how folders, plots, Markdown and LaTeX write them."""

import re
from collections.abc import Iterable

from tf_metammf.errors import InvalidInputError

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_MARKDOWN = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", **{sign: f"\\{sign}" for sign in "\\`*_[]~"}}

LONGEST = 200
"""Bytes of a name at most: it names a folder."""


def check_names(names: Iterable[str]) -> None:
    """Refuses names that a table or a folder could not hold.

    Raises:
        InvalidInputError: A name is empty, has line breaks or other control characters, is too long, or two names
            would share a folder.
    """
    folders: dict[str, str] = {}
    for name in names:
        if not re.search(r"\w", name) or not name.isprintable():
            raise InvalidInputError(
                f"found the model name {name!r}, expected printable text with a letter or digit. Rename it."
            )
        if len(name.encode()) > LONGEST:
            raise InvalidInputError(
                f'the model name "{name[:40]}..." has {len(name.encode())} bytes, expected at most {LONGEST}. '
                "Rename it."
            )
        other = folders.setdefault(folder_name(name), name)
        if other != name:
            raise InvalidInputError(f'the models "{other}" and "{name}" would share a folder. Rename one of them.')


def folder_name(name: str) -> str:
    """The name of the folder of a model."""
    return re.sub(r"[^\w.+-]+", "-", name)


def plot_label(name: str) -> str:
    """A name as Matplotlib shows it as it is: no formulas, and in legends, too, with an underscore in front."""
    label = name.replace("$", r"\$")
    return f" {label}" if label.startswith("_") else label


def markdown_text(name: str) -> str:
    """A name in a cell of Markdown, which takes it for neither markup nor HTML."""
    return "".join(_MARKDOWN.get(sign, sign) for sign in name)


def latex_text(name: str) -> str:
    """A name in a cell of LaTeX, every sign as it is."""
    text = "".join(_LATEX.get(sign, sign) for sign in name)
    return f"{{}}{text}" if text.startswith(("[", "*")) else text  # else an option of the end of the row before
