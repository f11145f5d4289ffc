"""Whether weights that are carried over were trained on what a record set judges them by."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.trained_interactions import TrainedInteractions, split_keys, split_pairs


@dataclass(frozen=True)
class Leakage:
    """Interactions of the held-out splits that weights have been trained on, matched by raw user and item id.

    A pair that is in the training split, too, does not count: training on that record set sees it anyway.

    Attributes:
        trained: How many of them, by split.
        interactions: How many the split has, by split.
        unknown: Runs of the chain of which it is not known what they were trained on, with the reason.
    """

    trained: Mapping[str, int]
    interactions: Mapping[str, int]
    unknown: tuple[str, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether there is an interaction that leaks."""
        return any(self.trained.values())

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

    def counts(self) -> dict[str, Any]:
        """The same without paths, for what is copied to other machines."""
        return {**self.to_json(), "unknown": len(self.unknown)}

    def __str__(self) -> str:
        return " and ".join(
            f"{count:,} of the {self.interactions[split]:,} {split} interactions"
            for split, count in self.trained.items()
            if count
        )


def find_leakage(trained: TrainedInteractions, record_set: RecordSet) -> Leakage:
    """Counts what weights have been trained on of the splits that a record set holds out.

    Args:
        trained: What they have been trained on, outside of the training split of the record set.
        record_set: The record set.
    """
    keys = np.concatenate([np.zeros(0, np.int64), *(part.keys(record_set) for part in trained.parts)])
    held_out = {name: split.interactions for name, split in record_set.metadata.splits.items() if name != "train"}
    counts = {name: int(np.isin(split_keys(record_set, name), keys).sum()) for name in held_out}
    return Leakage(counts, held_out, trained.unknown)


def require_no_leakage(leakage: Leakage, record_set: RecordSet, *, weights: str, before: RecordSet, allow: str) -> None:
    """Refuses weights that have been trained on what they would be judged by.

    Args:
        leakage: What was found.
        record_set: The record set that would judge.
        weights: Whose weights, for the message.
        before: The record set that they were trained on.
        allow: How to carry them over all the same, for the message.

    Raises:
        InvalidInputError: There is such an interaction.
    """
    if leakage.is_any:
        raise InvalidInputError(
            f"{weights} was trained on {leakage} of {record_set.folder}: its metrics would be too good. "
            f"{_remedy(record_set, before)} To use the weights anyway, {allow}."
        )


def _remedy(record_set: RecordSet, before: RecordSet) -> str:
    own = TrainedInteractions((split_pairs(before, "train"),)).outside(record_set)
    if not find_leakage(own, record_set).is_any:
        return (
            f"It saw them in earlier runs, not in {before.folder}. Train on {record_set.folder} without "
            "weights of an earlier run, or start from a run that has not seen them."
        )
    return (
        f"Convert the data with --splitting.like {shlex.quote(str(before.folder))}, which keeps every interaction of "
        "that record set in its split, or split by time."
    )


def leakage_warning(leakage: Leakage, *, weights: str) -> str:
    """What to say of metrics of weights that leak, or may; empty where nothing does.

    Args:
        leakage: What was found.
        weights: Whose weights.
    """
    leaking = f"{weights} was trained on {leakage}: its metrics are too good" if leakage.is_any else ""
    gone = ""
    if leakage.unknown:
        gone = (
            f"{weights} started from runs whose training interactions are unknown: "
            f"{'; '.join(leakage.unknown)}. If they are held out now, its metrics are too good"
        )
    return ". ".join(part for part in (leaking, gone) if part)


def leakage_of(run: RunDirectory) -> Leakage | None:
    """What leaked when a run began from another one; None where it did not, or an earlier version did not look."""
    found = run.read("warm_start").get("leakage") if run.has("warm_start") else None
    return None if found is None else Leakage(found["trained"], found["interactions"], tuple(found["unknown"]))
