"""How raw ids are spelled: those that look like the same one, or like none."""

import re
import unicodedata
from collections.abc import Iterable, Set
from dataclasses import dataclass
from decimal import Decimal

from tf_metammf.errors import InvalidInputError

_MISSING = frozenset(("nan", "nat", "none", "null", "na", "n/a", "<na>", "#n/a"))
_EXPONENT = re.compile(r"[0-9]+(\.[0-9]+)?[eE]\+?[0-9]{1,2}")
_OF_A_SPREADSHEET = re.compile(r"[0-9](\.[0-9]+)?[eE]\+[0-9]+")
_INVISIBLE = "\u200b\u2060\ufeff"


def alike(raw: str) -> str:
    """What ids have in common that look like the same one.

    They do if they differ in spaces or invisible characters around them, zeros before a number, the ``.0`` that pandas
    gives to whole numbers where some are missing, ``1e5`` for 100000, or composed characters.
    """
    if raw.isascii() and raw.isdigit():
        return raw.lstrip("0") or "0"
    raw = unicodedata.normalize("NFC", raw).strip().strip(_INVISIBLE).strip()
    if _EXPONENT.fullmatch(raw) and (number := Decimal(raw)) == number.to_integral_value():
        return str(int(number))
    digits = raw.removesuffix(".0")
    return digits.lstrip("0") or "0" if digits.isdecimal() else raw


def near_miss(interacted: Set[str], described: Set[str]) -> tuple[str, str] | None:
    """An id of interactions without features and one of features without interactions that are :func:`alike`.

    Returns:
        The id of the interactions and that of the features, or None.
    """
    lonely = {alike(raw): raw for raw in sorted(interacted - described)}
    pairs = ((lonely[alike(raw)], raw) for raw in sorted(described - interacted) if alike(raw) in lonely)
    return next(pairs, None) if lonely else None


def differently_written(modality: str, interacted: str, described: str) -> InvalidInputError:
    """The error for two ids that :func:`near_miss` found."""
    return InvalidInputError(
        f'modality "{modality}": the interactions have item "{interacted}" where the features have "{described}"; '
        "neither is in the other. Write the same ids in both."
    )


@dataclass(frozen=True)
class OddIds:
    """Ids of users or items that may not be what was meant.

    Attributes:
        missing: Words that often stand for a missing value, such as "nan", in order.
        cut: A number with an exponent, as spreadsheets write long numbers whose digits they cut; or None.
        twins: How many ids are :func:`alike` to another that comes before them.
        example: Two of these, or None.
    """

    missing: tuple[str, ...] = ()
    cut: str | None = None
    twins: int = 0
    example: tuple[str, str] | None = None

    @classmethod
    def among(cls, ids: Iterable[str]) -> "OddIds":
        """Those among distinct ids, in any order."""
        first: dict[str, str] = {}
        missing, cut, pairs = [], [], []
        for raw in sorted(ids):
            known = first.setdefault(alike(raw), raw)
            if known is not raw:
                pairs.append((known, raw))
            if raw.strip().lower() in _MISSING:
                missing.append(raw)
            elif _OF_A_SPREADSHEET.fullmatch(raw):
                cut.append(raw)
        return cls(tuple(missing), min(cut, default=None), len(pairs), min(pairs, default=None))

    def joined(self, other: "OddIds") -> "OddIds":
        """Those of both, if no id here is alike to one there."""
        cut = [raw for raw in (self.cut, other.cut) if raw is not None]
        examples = [pair for pair in (self.example, other.example) if pair is not None]
        return OddIds(
            tuple(sorted({*self.missing, *other.missing})),
            min(cut, default=None),
            self.twins + other.twins,
            min(examples, default=None),
        )

    def notes(self, kind: str) -> tuple[str, ...]:
        """What the user should know, a sentence or two each.

        Args:
            kind: user or item.
        """
        found = []
        if self.missing:
            words = ", ".join(f'"{word}"' for word in self.missing)
            found.append(f"Taken as ids of {kind}s, but often written for a missing one: {words}.")
        if self.cut is not None:
            found.append(
                f'The {kind} id "{self.cut}" looks like a longer number whose last digits a spreadsheet cut, so that '
                f"different {kind}s may have become one."
            )
        if self.example is not None:
            found.append(
                f"Ids of {kind}s that look like another (spaces, leading zeros, .0) and were taken as different: "
                f'{self.twins:,}, such as "{self.example[0]}" and "{self.example[1]}".'
            )
        return tuple(found)
