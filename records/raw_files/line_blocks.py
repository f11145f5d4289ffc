"""Lines of delimited text by blocks, and where rows go on in the next line because a quoted value does."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_files.compressed_text import opened_text

BLOCK_BYTES = 2**24
_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_REST_OF_VALUE = re.compile(rb'[^"]*(?:""[^"]*)*"')


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
    """The bytes of a file in blocks, unpacked if it is compressed."""
    with opened_text(path) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def lines_of_blocks(blocks: Iterable[bytes], delimiter: str, quoted: bool) -> Iterator[Lines]:
    """All lines of a file, many at once; after a quote that breaks the grammar, none.

    Args:
        blocks: The bytes of the file, cut anywhere; a byte order mark is passed over.
        delimiter: The character between two values.
        quoted: Whether quotes quote.
    """
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


def begins_row(lines: Lines, *, open_before: bool) -> NDArray[np.bool_]:
    """Which lines begin a row: those after the end of another that are not empty."""
    first = np.frombuffer(lines.content, np.uint8)[lines.starts]
    blank = (first == _LINE_FEED) | (first == _RETURN)
    continued = np.concatenate([[open_before], lines.goes_on[:-1]])
    return ~continued & ~blank


def is_blank(lines: Lines, at: int) -> bool:
    """Whether a line is empty."""
    return lines.content[lines.starts[at]] in (_LINE_FEED, _RETURN)
