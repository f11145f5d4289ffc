"""A rule that says which rows of a log are chosen over which others: parsed, and never run as code.

``completion >= 0.8 over completion < 0.2, same user, 24 hours``: rows of the first kind are chosen over rows of the
second kind that are of the same user and at most 24 hours before or after. The grammar::

    rule       = condition "over" condition { "," clause }
    condition  = comparison { "and" comparison }
    comparison = column operator number
    operator   = ">=" | "<=" | ">" | "<" | "==" | "!="
    clause     = "same user" | number unit
    unit       = "seconds" | "minutes" | "hours" | "days"

A column whose name is not a plain word is written in quotes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

EXAMPLE = "completion >= 0.8 over completion < 0.2, same user, 24 hours"

_OPERATORS: dict[str, Callable[[Any, float], Any]] = {
    ">=": np.greater_equal,
    "<=": np.less_equal,
    ">": np.greater,
    "<": np.less,
    "==": np.equal,
    "!=": np.not_equal,
}
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<quoted>"[^"]*"|'[^']*')
      | (?P<operator>>=|<=|==|!=|>|<)
      | (?P<comma>,)
      | (?P<word>[^\W\d][\w.]*)
    )""",
    re.VERBOSE,
)
_LONGEST = 1000


@dataclass(frozen=True)
class Comparison:
    """A column, an operator and a number."""

    column: str
    operator: str
    number: float

    def holds(self, values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
        """Which rows it holds for, bool ``[n]``; not for those without a number."""
        column = values[self.column]
        found: NDArray[np.bool_] = _OPERATORS[self.operator](column, self.number) & ~np.isnan(column)
        return found


@dataclass(frozen=True)
class PreferenceRule:
    """Which rows are chosen over which others.

    Attributes:
        text: As it was written.
        chosen: Comparisons that all hold for a chosen row.
        rejected: Comparisons that all hold for a rejected row.
        seconds: How far apart the two may be in time; None where that does not matter.
    """

    text: str
    chosen: tuple[Comparison, ...]
    rejected: tuple[Comparison, ...]
    seconds: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it compares, each once."""
        return tuple(dict.fromkeys(each.column for each in (*self.chosen, *self.rejected)))

    def sides(
        self, values: Mapping[str, NDArray[np.float64]], rows: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows are chosen, and which are rejected.

        Args:
            values: The columns, float64 ``[rows]``.
            rows: Number of rows.

        Returns:
            Two masks, bool ``[rows]``.
        """
        return _all_hold(self.chosen, values, rows), _all_hold(self.rejected, values, rows)

    def undecided(self, values: Mapping[str, NDArray[np.float64]], rows: int) -> NDArray[np.bool_]:
        """Which rows are on neither side, and could be with numbers where they have none, bool ``[rows]``.

        Args:
            values: The columns, float64 ``[rows]``.
            rows: Number of rows.
        """
        chosen, rejected = self.sides(values, rows)
        could = [_all_hold(side, values, rows, without_number=True) for side in (self.chosen, self.rejected)]
        return (could[0] | could[1]) & ~chosen & ~rejected


def _all_hold(
    side: Sequence[Comparison], values: Mapping[str, NDArray[np.float64]], rows: int, *, without_number: bool = False
) -> NDArray[np.bool_]:
    """For which rows all comparisons hold; those of a missing number hold if ``without_number`` does."""
    found = np.ones(rows, bool)
    for each in side:
        found &= each.holds(values) | (without_number & np.isnan(values[each.column]))
    return found


def is_rule(text: str) -> bool:
    """Whether a text is meant as a rule, and not as the name of a file."""
    return re.search(r"\sover\s", text, re.IGNORECASE) is not None


def preference_rule(text: str) -> PreferenceRule:
    """Parses a rule.

    Args:
        text: The rule.

    Raises:
        InvalidInputError: It is none; the message says where and what was expected.
    """
    if len(text) > _LONGEST:
        raise InvalidInputError(
            f'preferences is "{text[:40]}...", of {len(text):,} characters, expected {_LONGEST:,} at most.'
        )
    return _Parser(text).rule()


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


class _Parser:
    """Reads a rule token by token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._read()
        self._next = 0

    def rule(self) -> PreferenceRule:
        chosen = self._condition()
        if not self._takes_word("over"):
            raise self._unexpected('"and" or "over"')
        rejected = self._condition()
        seconds = None
        while self._token.kind == "comma":
            self._next += 1
            seconds = self._clause(seconds)
        if self._token.kind != "end":
            raise self._unexpected('"and", a comma, or the end')
        return PreferenceRule(self._text, chosen, rejected, seconds)

    def _condition(self) -> tuple[Comparison, ...]:
        found = [self._comparison()]
        while self._takes_word("and"):
            found.append(self._comparison())
        return tuple(found)

    def _comparison(self) -> Comparison:
        if self._token.kind == "word" and self._token.text not in ("over", "and"):
            column = self._take().text
        elif self._token.kind == "quoted":
            column = self._take().text[1:-1]
        else:
            raise self._unexpected("the name of a column")
        if self._token.kind != "operator":
            raise self._unexpected(f"one of {' '.join(_OPERATORS)}")
        operator = self._take().text
        if self._token.kind != "number":
            raise self._unexpected("a number")
        return Comparison(column, operator, float(self._take().text))

    def _clause(self, seconds: float | None) -> float | None:
        """The time of a clause, or the given one where it is about users."""
        if self._takes_word("same"):
            if not self._takes_word("user"):
                raise self._unexpected('"user"')
            return seconds
        if self._token.kind != "number" or seconds is not None:
            raise self._unexpected('"same user"' + ("" if seconds is not None else " or a time such as 24 hours"))
        token = self._token
        number = float(self._take().text)
        unit = self._token.text.lower().removesuffix("s")
        if self._token.kind != "word" or unit not in _SECONDS:
            raise self._unexpected("seconds, minutes, hours or days")
        self._next += 1
        if not 0 <= number < np.inf:
            raise self._refusal(token.place, f'found "{token.text}", expected a time of at least 0')
        return number * _SECONDS[unit]

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += 1
        return token

    def _takes_word(self, word: str) -> bool:
        taken = self._token.kind == "word" and self._token.text.lower() == word
        self._next += taken
        return taken

    def _read(self) -> list[_Token]:
        tokens, place = [], 0
        while place < len(self._text.rstrip()):
            match = _TOKEN.match(self._text, place)
            if match is None or match.lastgroup is None:
                place += len(self._text[place:]) - len(self._text[place:].lstrip())
                raise self._refusal(place, f'found "{self._text[place]}", which is no part of a rule')
            tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            place = match.end()
        return [*tokens, _Token("end", "", len(self._text.rstrip()))]

    def _unexpected(self, expected: str) -> InvalidInputError:
        found = "found the end" if self._token.kind == "end" else f'found "{self._token.text}"'
        return self._refusal(self._token.place, f"{found}, expected {expected}")

    def _refusal(self, place: int, problem: str) -> InvalidInputError:
        return InvalidInputError(
            f'preferences is "{self._text}": at character {place + 1}, {problem}. Write a rule such as "{EXAMPLE}".'
        )
