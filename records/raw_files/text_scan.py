"""A look over delimited text before it is parsed: where rows end, whether quotes quote, how long rows are.

A parser of CSV takes a quote that opens a value and closes somewhere else without a word, and swallows the rows
between. So the quotes are checked first, by the grammar of RFC 4180: a quote at the start of a value opens it, two
quotes in it stand for one, and the one that closes it is followed by a delimiter or the end of the line. A quote in
the middle of a value that none opened is a character like any other.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.line_blocks import Lines, begins_row, is_blank, lines_of_blocks


class Cut(NamedTuple):
    """A position at which a row begins: its byte, and the rows (the header included) and lines before it."""

    position: int
    rows: int
    lines: int


@dataclass(frozen=True)
class TextLayout:
    """How the rows of a text file are laid out.

    Attributes:
        delimiter: The character between two values.
        quoted: Whether ``"`` at the start of a value quotes it.
        multiline: Whether quoted values hold line breaks.
        rows: Number of rows, the header included, empty lines not.
        longest_row: Bytes of the longest row.
        cuts: Where to cut it into parts of about ``part_bytes``, ascending from 0.
    """

    delimiter: str
    quoted: bool
    multiline: bool
    rows: int
    longest_row: int
    cuts: tuple[Cut, ...] = (Cut(0, 0, 0),)


def scan_text(
    path: Path,
    blocks: Callable[[], Iterable[bytes]],
    *,
    delimiter: str,
    quoted: bool | None,
    columns: int,
    part_bytes: int | None = None,
) -> TextLayout:
    """Looks over a text file.

    Args:
        path: The file, for messages.
        blocks: Gives its bytes, maybe twice.
        delimiter: The character between two values.
        quoted: Whether quotes quote; None recognises it.
        columns: Columns in the header.
        part_bytes: How far apart the cuts are to be; None for no cut.

    Returns:
        The layout.

    Raises:
        InvalidInputError: The file holds a NUL byte, a quote is not closed or something follows the one that closes
            it, or the same text can be read with quotes and without.
    """
    if quoted is None or quoted:
        layout, broken = _scanned(path, blocks(), delimiter, True, columns, part_bytes, certain=quoted is True)
        if broken is None:
            return layout
        if quoted or not _reads_unquoted(blocks(), delimiter, columns):
            raise InvalidInputError(
                f"{path}: line {broken[0]}: {broken[1]}. Fix the quotes, or say --tabular.quoted false if they are "
                "part of the values."
            )
    return _scanned(path, blocks(), delimiter, False, columns, part_bytes, certain=True)[0]


def rows_of(blocks: Iterable[bytes], layout: TextLayout, wanted: NDArray[np.int64]) -> list[tuple[int, str]]:
    """Line number and text of some rows.

    Args:
        blocks: The bytes of the file.
        layout: Its layout.
        wanted: Numbers of rows, ascending, from 0 for the header, empty lines not counted.

    Returns:
        The number of the line in which each begins, from 1, and its text without the line break.
    """
    found: list[tuple[int, str]] = []
    row, line, pending = -1, 0, b""
    for lines in lines_of_blocks(blocks, layout.delimiter, layout.quoted):
        begins = begins_row(lines, open_before=bool(pending))
        row_of_line = row + np.cumsum(begins)
        for at in np.flatnonzero(np.isin(row_of_line, wanted)).tolist():
            start, stop = int(lines.starts[at]), int(lines.stops[at])
            if is_blank(lines, at) and not (at and lines.goes_on[at - 1]) and not (at == 0 and pending):
                continue
            text = lines.content[start:stop]
            if begins[at]:
                found.append((line + int(at) + 1, text.decode("utf-8", "backslashreplace")))
            else:
                found[-1] = (found[-1][0], found[-1][1] + text.decode("utf-8", "backslashreplace"))
        row = int(row_of_line[-1])
        line += len(lines.starts)
        pending = b"x" if lines.goes_on[-1] else b""
    return [(number, text.rstrip("\r\n")) for number, text in found]


def _scanned(
    path: Path,
    blocks: Iterable[bytes],
    delimiter: str,
    quoted: bool,
    columns: int,
    part_bytes: int | None,
    *,
    certain: bool,
) -> tuple[TextLayout, tuple[int, str] | None]:
    """The layout, and the line and reason at which the quotes break the grammar, or None."""
    rows = longest = line = row_start = 0
    cuts, multiline, goes_on, opened = [Cut(0, 0, 0)], False, False, 0
    doubtful: int | None = None
    fits: bool | None = None
    for lines in lines_of_blocks(blocks, delimiter, quoted):
        if b"\0" in lines.content:
            at = int(np.searchsorted(lines.stops, lines.content.index(b"\0"), "right"))
            raise InvalidInputError(
                f"{path}: line {line + at + 1} holds a NUL byte, which text must not contain. Fetch or write the "
                f"file again."
            )
        if lines.spoiled is not None:
            at = int(np.searchsorted(lines.stops, lines.spoiled, "right"))
            shown = lines.content[lines.spoiled : lines.spoiled + 20].decode("utf-8", "replace").split("\n")[0]
            reason = f"after the quote that closes a value comes {shown[1:].strip()!r}, expected the next column"
            return TextLayout(delimiter, quoted, multiline, rows, longest), (line + at + 1, reason)
        multiline = multiline or bool(lines.goes_on.any())
        if not certain and doubtful is None and (goes_on or lines.goes_on.any()):
            found, fits = _two_readings(lines, delimiter, columns, before=fits)
            doubtful = None if found is None else (opened if goes_on and found == 0 else line + found) + 1
        begun = np.cumsum(begins_row(lines, open_before=goes_on))
        ends = lines.offset + lines.stops[~lines.goes_on]
        if len(ends):
            longest = max(longest, int(np.diff(ends, prepend=row_start).max()))
            row_start = int(ends[-1])
            while part_bytes is not None and ends[-1] > cuts[-1].position + part_bytes:
                position = int(ends[np.searchsorted(ends, cuts[-1].position + part_bytes)])
                before = int(np.searchsorted(lines.stops, position - lines.offset)) + 1
                cuts.append(Cut(position, rows + int(begun[before - 1]), line + before))
        rows += int(begun[-1])
        if (lines.goes_on[-1] and not goes_on) or len(ends):
            opened = line + (int(np.flatnonzero(~lines.goes_on)[-1]) + 1 if len(ends) else 0)
        goes_on = bool(lines.goes_on[-1])
        line += len(lines.starts)
    if doubtful is not None and not goes_on:
        raise InvalidInputError(
            f"{path}: line {doubtful} opens a quote that a later line closes, and without quotes each of these lines "
            f"has {columns} columns, too. Say --tabular.quoted true if they are one row, or false if they are several."
        )
    broken = (opened + 1, "a value opens with a quote and the file ends before it is closed") if goes_on else None
    return TextLayout(delimiter, quoted, multiline, rows, longest, tuple(cuts)), broken


def _two_readings(lines: Lines, delimiter: str, columns: int, *, before: bool | None) -> tuple[int | None, bool | None]:
    """The first row over several lines each of which would be a row without the quotes.

    Args:
        lines: The lines.
        delimiter: The character between two values.
        columns: Columns in the header.
        before: Of a row that began before these lines, whether its lines so far would be rows; None for no such row.

    Returns:
        Place of its first line or None, and the same as ``before`` for the lines that follow.
    """
    begins = np.flatnonzero(np.concatenate([[True], ~lines.goes_on[:-1]]))
    all_fit = np.logical_and.reduceat(_delimiters(lines, delimiter) == columns - 1, begins)
    several = np.diff(begins, append=len(lines.starts)) > 1
    if before is not None:
        all_fit[0] &= before
        several[0] = True
    after = bool(all_fit[-1]) if lines.goes_on[-1] else None
    several[-1] &= after is None
    found = all_fit & several
    return (int(begins[np.argmax(found)]) if found.any() else None), after


def _delimiters(lines: Lines, delimiter: str) -> NDArray[np.int64]:
    places = np.flatnonzero(np.frombuffer(lines.content, np.uint8) == ord(delimiter))
    return np.searchsorted(places, lines.stops) - np.searchsorted(places, lines.starts)


def _reads_unquoted(blocks: Iterable[bytes], delimiter: str, columns: int) -> bool:
    """Whether every line has the columns of the header when quotes are characters, and no value is quoted."""
    edge = re.escape(delimiter.encode())
    quoted_value = re.compile(rb"(?:^|" + edge + rb')"(?:[^"\r\n]|"")*"(?=' + edge + rb"|\r|\n|\Z)", re.MULTILINE)
    for lines in lines_of_blocks(blocks, delimiter, quoted=False):
        filled = begins_row(lines, open_before=False)
        if (_delimiters(lines, delimiter)[filled] != columns - 1).any() or quoted_value.search(lines.content):
            return False
    return True
