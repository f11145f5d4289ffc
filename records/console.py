"""Where tables and progress bars are printed: as wide as the terminal, or whole where there is none."""

import errno
import os
import sys
import unicodedata
from typing import IO

from rich.console import Console
from rich.table import Table

NO_TERMINAL_WIDTH = 2**20
"""Columns of what is no terminal: nothing is ever cut or wrapped there."""

LEAST_WIDTH = 20
"""Columns below which a width is not believed."""


def make_console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr, which prints text as it is: never markup, emoji codes or highlighting.

    On a terminal lines are as wide as ``COLUMNS`` says, where that is a number from :data:`LEAST_WIDTH` to 9999, else
    as wide as the terminal. Into a pipe or file, lines are as long as they need to be, whatever ``COLUMNS`` says.
    ``NO_COLOR`` and ``FORCE_COLOR`` decide on colours.
    """
    console = _PipeConsole(stderr=stderr, markup=False, emoji=False, highlight=False, width=80)
    if console.is_jupyter:
        return _PipeConsole(stderr=stderr, markup=False, emoji=False, highlight=False)
    width, height = _size(console.file)
    return _PipeConsole(stderr=stderr, markup=False, emoji=False, highlight=False, width=width, height=height)


def print_table(table: Table) -> None:
    """Prints a table to stdout; on a terminal that is too narrow, cells wrap instead of being cut."""
    console, title = make_console(), table.title
    if title:  # a table cuts its title into lines as wide as itself
        console.print(title, style="italic", soft_wrap=True)
        table.title = None
    for column in table.columns:
        column.overflow = "fold"
    console.print(table)


def draws_bars() -> bool:
    """Whether stdout is a terminal that can draw a line again."""
    return _is_terminal(sys.stdout) and make_console().is_interactive


def visible(text: str) -> str:
    """The text with control characters and line separators as escapes, so that it stays within its cell."""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in ("Cc", "Zl", "Zp")
        else character
        for character in text
    )


class _PipeConsole(Console):
    """A console that leaves a pipe whose reader is gone to its caller; rich ends the program, with exit code 1."""

    def on_broken_pipe(self) -> None:
        """Raises the error again."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE), "stdout")


def _size(stream: IO[str]) -> tuple[int | None, int | None]:
    """Width and height to print with; None leaves them to the terminal, also when it is resized."""
    if not _is_terminal(stream):
        return NO_TERMINAL_WIDTH, 25
    if "COLUMNS" not in os.environ and "LINES" not in os.environ:
        return None, None
    try:
        own = os.get_terminal_size(stream.fileno())
    except (AttributeError, ValueError, OSError):
        own = os.terminal_size((80, 25))
    width = _number("COLUMNS") or own.columns
    return (width if width >= LEAST_WIDTH else max(own.columns, LEAST_WIDTH)), _number("LINES") or own.lines or 25


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):  # no stream at all, or a closed one
        return False


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
