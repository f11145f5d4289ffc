"""Preferences in numbers."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tf_metammf.records.preference_shards import read_preferences
from tf_metammf.records.preferences import HELD_OUT, TRAINING
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import RecordSet


@dataclass(frozen=True)
class PreferenceDescription:
    """Preferences of a record set.

    Attributes:
        train: Preferences to learn from.
        held_out: Those that pair accuracy is measured on.
        users: Users that have any.
        user_share: Their share of all users.
        rejected: Mean number of rejected items of a preference.
        chosen_popularity: Training interactions of a chosen item, mean; far from that of the rejected ones, preferences
            teach popularity.
        rejected_popularity: Of a rejected item, likewise.
        sources: How many come from each source, most frequent first; empty where it is not said.
        dropped: What became of others that were read, by reason, as ``metadata.json`` has it.
    """

    train: int
    held_out: int
    users: int
    user_share: float
    rejected: float
    chosen_popularity: float
    rejected_popularity: float
    sources: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


def describe_preferences(record_set: RecordSet) -> PreferenceDescription | None:
    """The preferences of a record set; None where it has none.

    Raises:
        InvalidRecordSetError: A shard is damaged.
    """
    metadata = record_set.metadata
    if metadata.preferences is None:
        return None
    parts = [read_preferences(record_set, split) for split in (TRAINING, HELD_OUT)]
    popularity = np.bincount(read_interactions(record_set, "train").item, minlength=metadata.items)
    users, chosen, rejected = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("user", "chosen", "rejected")
    )
    distinct = len(np.unique(users))
    sources = Counter(source for part in parts for source in part.source or ())
    found = metadata.source.get("preferences", {})
    dropped = ("unknown", "nothing_rejected", "chosen_in_test", "unknown_rejected", "rejected_interactions")
    return PreferenceDescription(
        train=len(parts[0]),
        held_out=len(parts[1]),
        users=distinct,
        user_share=distinct / max(metadata.users, 1),
        rejected=len(rejected) / max(len(chosen), 1),
        chosen_popularity=float(popularity[chosen].mean()) if len(chosen) else 0.0,
        rejected_popularity=float(popularity[rejected].mean()) if len(rejected) else 0.0,
        sources=dict(sources.most_common()),
        dropped={name: int(found.get(name, 0)) for name in dropped},
    )
