"""Finds ids and titles that contain the typed text."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np


class TextSearch:
    """Finds texts that contain given words, whatever their case.

    All texts are one string with line breaks between, so that a search of a million texts is a few milliseconds.

    Args:
        texts: What is searched, one text an entry.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        lines = [_searched(text) for text in texts]
        self._all = "\n" + "\n".join(lines) + "\n"
        # Where line n starts: after a break, and one further for each of those before it.
        self._starts = np.cumsum([1] + [len(line) + 1 for line in lines])[:-1].tolist()

    def find(self, query: str, limit: int) -> list[int]:
        """Positions of texts with the query in them: those that begin with it first, then in their order.

        Args:
            query: What is looked for; an empty one finds the first texts.
            limit: At most so many.
        """
        wanted = _searched(query)
        if not wanted:
            return list(range(min(limit, len(self._starts))))
        found: dict[int, None] = {}
        self._collect(f"\n{wanted}\n", 1, found, limit)
        self._collect(f"\n{wanted}", 1, found, limit)
        self._collect(wanted, 0, found, limit)
        return list(found)

    def _collect(self, wanted: str, skipped: int, found: dict[int, None], limit: int) -> None:
        position = self._all.find(wanted)
        while position >= 0 and len(found) < limit:
            line = bisect_right(self._starts, position + skipped) - 1
            found.setdefault(line)
            position = self._all.find(wanted, self._starts[line + 1] - 1) if line + 1 < len(self._starts) else -1


def _searched(text: str) -> str:
    """A text without case and without differences in white space, line breaks included."""
    return " ".join(text.split()).casefold()
