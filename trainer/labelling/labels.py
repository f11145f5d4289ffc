"""From a run to preferences: pairs that it recommends, and what a judge chooses of each."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.preferences import NamedPreferences
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.labelling.drawn_pairs import DrawnPairs


class Judge(Protocol):
    """Who chooses between two items."""

    @property
    def source(self) -> str:
        """What the preferences are said to come from."""

    def choose(self, pairs: DrawnPairs) -> NDArray[np.int8]:
        """1 for the first item, -1 for the second, 0 for none; int8 ``[n]``."""


@dataclass(frozen=True)
class Labels:
    """Pairs that a judge was asked about.

    Attributes:
        preferences: Those that it chose from, by raw id.
        asked: Number of pairs.
        first: How many of them are for the first item; far from half of the preferences, the judge goes by the place.
    """

    preferences: NamedPreferences
    asked: int
    first: int


def label(pairs: DrawnPairs, judge: Judge, record_set: RecordSet) -> Labels:
    """Asks a judge about pairs.

    Args:
        pairs: The pairs.
        judge: Whom to ask.
        record_set: The record set that they are from.

    Raises:
        InvalidInputError: The judge has no choice for any pair.
    """
    choices = judge.choose(pairs)
    chosen = np.flatnonzero(choices)
    if not len(chosen):
        raise InvalidInputError(
            f"{judge.source}: chose from none of {len(pairs):,} pairs. Lower the margin, or see what it answers."
        )
    is_first = choices[chosen] > 0
    better = np.where(is_first, pairs.first[chosen], pairs.second[chosen])
    worse = np.where(is_first, pairs.second[chosen], pairs.first[chosen])
    users, items = record_set.user_ids, record_set.item_ids
    named = NamedPreferences(
        user=[users[user] for user in pairs.user[chosen]],
        chosen=[items[item] for item in better],
        rejected=[[items[item]] for item in worse],
        source=[judge.source] * len(chosen),
    )
    return Labels(named, len(pairs), int(is_first.sum()))
