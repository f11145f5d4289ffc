"""A look over delimited text before it is parsed: where rows end, whether quotes quote, how long rows are.

A parser of CSV takes a quote that opens a value and closes somewhere else without a word, and swallows the rows
between. So the quotes are checked first, by the grammar of RFC 4180: a quote at the start of a value opens it, two
quotes in it stand for one, and the one that closes it is followed by a delimiter or the end of the line. A quote in
the middle of a value that none opened is a character like any other.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

BLOCK_BYTES = 2**24
_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_REST_OF_VALUE = re.compile(rb'[^"]*(?:""[^"]*)*"')


@dataclass(frozen=True)
class TextLayout:
    """How the rows of a text file are laid out.

    Attributes:
        delimiter: The character between two values.
        quoted: Whether ``"`` at the start of a value quotes it.
        multiline: Whether quoted values hold line breaks.
        rows: Number of rows, the header included, empty lines not.
        longest_row: Bytes of the longest row.
        cuts: Positions at which rows begin, about ``part_bytes`` apart, ascending from 0.
    """

    delimiter: str
    quoted: bool
    multiline: bool
    rows: int
    longest_row: int
    cuts: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Lines:
    """Some whole lines of a file.

    Attributes:
        offset: Where they begin in the file.
        content: Their bytes.
        starts: Where each begins in ``content``, int64 ``[n]``.
        stops: Where each stops, after its line break.
        goes_on: Whether the row goes on in the next line, bool ``[n]``.
        spoiled: Position in ``content`` of a quote that breaks the grammar, or None.
    """

    offset: int
    content: bytes
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    goes_on: NDArray[np.bool_]
    spoiled: int | None = None


def blocks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file in blocks."""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


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
                f"{path}: line {broken[0]}: {broken[1]}. Mend the quotes, or say --tabular.quoted false if they are "
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
    for lines in _lines(blocks, layout.delimiter, layout.quoted):
        begins = _begins(lines, open_before=bool(pending))
        row_of_line = row + np.cumsum(begins)
        for at in np.flatnonzero(np.isin(row_of_line, wanted)):
            start, stop = int(lines.starts[at]), int(lines.stops[at])
            if _is_blank(lines, at) and not (at and lines.goes_on[at - 1]) and not (at == 0 and pending):
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
    cuts, multiline, goes_on, opened = [0], False, False, 0
    doubtful: int | None = None
    for lines in _lines(blocks, delimiter, quoted):
        if b"\0" in lines.content:
            at = int(np.searchsorted(lines.stops, lines.content.index(b"\0"), "right"))
            raise InvalidInputError(
                f"{path}: line {line + at + 1} holds a NUL byte, which text has not. Fetch or write the file again."
            )
        if lines.spoiled is not None:
            at = int(np.searchsorted(lines.stops, lines.spoiled, "right"))
            shown = lines.content[lines.spoiled : lines.spoiled + 20].decode("utf-8", "replace").split("\n")[0]
            reason = f"after the quote that closes a value stands {shown[1:].strip()!r}, expected the next column"
            return TextLayout(delimiter, quoted, multiline, rows, longest), (line + at + 1, reason)
        multiline = multiline or bool(lines.goes_on.any())
        if not certain and doubtful is None and lines.goes_on.any():
            found = _two_readings(lines, delimiter, columns)
            doubtful = None if found is None else line + found + 1
        rows += int(_begins(lines, open_before=goes_on).sum())
        ends = lines.offset + lines.stops[~lines.goes_on]
        if len(ends):
            longest = max(longest, int(np.diff(ends, prepend=row_start).max()))
            row_start = int(ends[-1])
            while part_bytes is not None and ends[-1] > cuts[-1] + part_bytes:
                cuts.append(int(ends[np.searchsorted(ends, cuts[-1] + part_bytes)]))
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


def _lines(blocks: Iterable[bytes], delimiter: str, quoted: bool) -> Iterator[Lines]:
    """All lines of a file, many at once; after a quote that breaks the grammar, none."""
    rest, offset, inside = b"", 0, False
    for block in _with_end(blocks):
        content = rest if block is None else rest + block
        if offset == 0 and content.startswith(b"\xef\xbb\xbf"):
            content, offset = content[3:], 3
        cut = len(content) if block is None else content.rfind(b"\n") + 1
        content, rest = content[:cut], content[cut:]
        if content:
            lines = _split(content, offset, ord(delimiter), quoted, inside)
            yield lines
            if lines.spoiled is not None:
                return
            inside = bool(lines.goes_on[-1])
            offset += len(content)


def _with_end(blocks: Iterable[bytes]) -> Iterator[bytes | None]:
    yield from blocks
    yield None


def _split(content: bytes, offset: int, delimiter: int, quoted: bool, inside: bool) -> Lines:
    data = np.frombuffer(content, np.uint8)
    stops = np.flatnonzero(data == _LINE_FEED) + 1
    if b"\r" in content:
        returns = np.flatnonzero(data == _RETURN) + 1
        alone = returns[(returns == len(data)) | (data[np.minimum(returns, len(data) - 1)] != _LINE_FEED)]
        stops = np.sort(np.concatenate([stops, alone]))
    if not len(stops) or stops[-1] != len(data):
        stops = np.append(stops, len(data))
    starts = np.concatenate([[0], stops[:-1]])
    if not quoted:
        return Lines(offset, content, starts, stops, np.zeros(len(stops), bool))
    quotes = np.flatnonzero(data == _QUOTE)
    if not len(quotes):
        return Lines(offset, content, starts, stops, np.full(len(stops), inside))
    if _only_quote_values(data, quotes, delimiter, inside):
        return Lines(offset, content, starts, stops, (np.searchsorted(quotes, stops) + inside) % 2 == 1)
    opening, closing, spoiled = _quoted_values(content, delimiter, inside)
    goes_on = inside + np.searchsorted(opening, stops) - np.searchsorted(closing, stops) > 0
    return Lines(offset, content, starts, stops, goes_on, spoiled)


def _only_quote_values(data: NDArray[np.uint8], quotes: NDArray[np.int64], delimiter: int, inside: bool) -> bool:
    """Whether every quote opens, closes or stands in a quoted value; most files are such, and it is quickly seen."""
    opening, closing = quotes[int(inside) :: 2], quotes[1 - int(inside) :: 2]
    edges = np.array([delimiter, _LINE_FEED, _RETURN, _QUOTE], np.uint8)
    before = data[opening[opening > 0] - 1]
    after = data[closing[closing + 1 < len(data)] + 1]
    return bool(np.isin(before, edges).all() and np.isin(after, edges).all())


def _quoted_values(content: bytes, delimiter: int, inside: bool) -> tuple[list[int], list[int], int | None]:
    """Where quoted values open and close, and the first closing quote that something else follows."""
    edges = bytes([delimiter, _LINE_FEED, _RETURN])
    opening: list[int] = []
    closing: list[int] = []
    at = 0
    while True:
        if not inside:
            at = content.find(b'"', at)
            if at < 0:
                return opening, closing, None
            if at > 0 and content[at - 1] not in edges:
                at += 1
                continue
            opening.append(at)
            at += 1
        value = _REST_OF_VALUE.match(content, at)
        if value is None:
            return opening, closing, None
        at = value.end()
        closing.append(at - 1)
        if at < len(content) and content[at] not in edges:
            return opening, closing, at - 1
        inside = False


def _begins(lines: Lines, *, open_before: bool) -> NDArray[np.bool_]:
    """Which lines begin a row: those after the end of another that are not empty."""
    first = np.frombuffer(lines.content, np.uint8)[lines.starts]
    blank = (first == _LINE_FEED) | (first == _RETURN)
    continued = np.concatenate([[open_before], lines.goes_on[:-1]])
    return ~continued & ~blank


def _is_blank(lines: Lines, at: int) -> bool:
    return lines.content[lines.starts[at]] in (_LINE_FEED, _RETURN)


def _two_readings(lines: Lines, delimiter: str, columns: int) -> int | None:
    """The first row over several lines each of which would be a row of its own without the quotes."""
    counts = _delimiters(lines, delimiter)
    begins = np.flatnonzero(np.concatenate([[True], ~lines.goes_on[:-1]]))
    all_fit = np.logical_and.reduceat(counts == columns - 1, begins)
    several = np.diff(begins, append=len(counts)) > 1
    return int(begins[np.argmax(all_fit & several)]) if (all_fit & several).any() else None


def _delimiters(lines: Lines, delimiter: str) -> NDArray[np.int64]:
    places = np.flatnonzero(np.frombuffer(lines.content, np.uint8) == ord(delimiter))
    return np.searchsorted(places, lines.stops) - np.searchsorted(places, lines.starts)


def _reads_unquoted(blocks: Iterable[bytes], delimiter: str, columns: int) -> bool:
    """Whether every line has the columns of the header when quotes are characters, and no value is quoted."""
    edge = re.escape(delimiter.encode())
    quoted_value = re.compile(rb"(?:^|" + edge + rb')"(?:[^"\r\n]|"")*"(?=' + edge + rb"|\r|\n|\Z)", re.MULTILINE)
    for lines in _lines(blocks, delimiter, quoted=False):
        filled = _begins(lines, open_before=False)
        if (_delimiters(lines, delimiter)[filled] != columns - 1).any() or quoted_value.search(lines.content):
            return False
    return True
