"""The funnel of a conversion: what became of the rows of interactions, from the raw files to the splits."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tf_metammf.records.raw_data import SPLITS


@dataclass(frozen=True)
class SplitCounts:
    """One split.

    Attributes:
        interactions: Interactions.
        of_new_users: Those of users without training interactions.
        of_new_items: Those on items without training interactions.
    """

    interactions: int
    of_new_users: int = 0
    of_new_items: int = 0


@dataclass(frozen=True)
class LikeCounts:
    """What became of the splits of an earlier record set.

    Attributes:
        name: Name of its folder.
        checksum: Its checksum.
        kept: Interactions that stayed in the split they had.
        new: Interactions that it did not have.
        gone: Interactions of it that are not there any more.
    """

    name: str
    checksum: str
    kept: int
    new: int
    gone: int


@dataclass(frozen=True)
class Funnel:
    """Rows of interactions on their way from the raw files to the splits, and items on theirs.

    ``rows_read`` is the sum of ``rejected``, ``below_threshold``, ``repeats``, ``outside_k_core`` and the interactions
    of all splits.

    Attributes:
        rows_read: Rows of interactions in the raw files.
        rejected: Rows that could not be read, such as those without an id, by reason.
        below_threshold: Rows rated below the rating threshold, or not rated.
        repeats: Rows of a user and an item that have another row.
        outside_k_core: Rows of users or items with too few interactions.
        splits: The interactions of each split.
        method: Method of the splits.
        reason: Why this method.
        items_without_features: Items with interactions and without features of any modality; 0 without modalities.
        features_without_interaction: Items with features and without interactions in the raw files. They are in the
            record set, as cold items, unless a k-core dropped them.
        like: What became of the splits of an earlier record set, if these were to be kept.
        notes: Other things to know, a sentence each.
    """

    rows_read: int
    rejected: dict[str, int]
    below_threshold: int
    repeats: int
    outside_k_core: int
    splits: dict[str, SplitCounts]
    method: str
    reason: str
    items_without_features: int
    features_without_interaction: int
    like: LikeCounts | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Funnel":
        """The funnel of what :meth:`to_json` gives.

        Raises:
            KeyError: Something is missing.
            TypeError: A count is not a non-negative integer, or another value is of another type.
        """
        like = content["like"]
        values: dict[str, Any] = {
            **{name: content[name] for name in cls.__dataclass_fields__},
            "splits": {name: SplitCounts(**content["splits"][name]) for name in SPLITS},
            "like": None if like is None else LikeCounts(**like),
            "notes": tuple(content["notes"]),
        }
        funnel = cls(**values)
        counts = [funnel.rows_read, *funnel.rejected.values(), funnel.below_threshold, funnel.repeats]
        counts += [funnel.outside_k_core, funnel.items_without_features, funnel.features_without_interaction]
        counts += [count for split in funnel.splits.values() for count in asdict(split).values()]
        counts += [] if funnel.like is None else [funnel.like.kept, funnel.like.new, funnel.like.gone]
        for count in counts:
            if type(count) is not int or count < 0:
                raise TypeError(f"{count!r} instead of a number of at least 0")
        for text in (funnel.method, funnel.reason, *funnel.notes):
            if not isinstance(text, str):
                raise TypeError(f"{text!r} instead of a text")
        return funnel
