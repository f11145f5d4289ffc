"""What the numbers of a record set suggest, each with the number that it follows from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_metammf.records.report.content_duplicates import ContentDuplicates

if TYPE_CHECKING:
    from tf_metammf.records.description import Description
    from tf_metammf.records.report.data_report import SplitReport

_STEPS = 20
"""Steps that an epoch should have, so that an optimiser gets somewhere in one."""

_BATCH_SIZES = (2048, 1024, 512, 256, 128)
_MUCH_EARLIER = 0.05
_MANY_NEW = 0.2
_MANY_COLD = 0.05
_ALIKE = 0.01
_MANY_COPIES = 0.1
_FEW_USERS = 1000
_HEAVY = 0.2
_RECALL = 0.1


@dataclass(frozen=True)
class Suggestion:
    """One suggestion.

    Attributes:
        about: What it is about: "split", "weights", "preset", "batch", "features" or "metrics".
        advice: What to do.
        reason: The number behind it.
    """

    about: str
    advice: str
    reason: str


def suggestions(
    description: Description,
    splits: Mapping[str, SplitReport],
    duplicates: Mapping[str, ContentDuplicates],
    *,
    method: str,
    has_times: bool,
    head_share: float,
) -> tuple[Suggestion, ...]:
    """Suggestions for a record set, the most important first.

    Args:
        description: Of the record set.
        splits: Reports on its splits, with "train", "validation" and "test".
        duplicates: By modality.
        method: Method of the splits.
        has_times: Whether interactions have times.
        head_share: Share of the training interactions that the most popular fifth of the items have.
    """
    return (
        *_of_split(splits["test"], method, has_times),
        *_of_weights(description),
        *_of_features(description, duplicates),
        *_of_preset(splits["test"], head_share),
        *_of_batch(splits["train"]),
        *_of_metrics(splits),
    )


def _of_split(test: SplitReport, method: str, has_times: bool) -> Iterator[Suggestion]:
    earlier = test.before_training_ends
    if has_times and method not in ("time", "leave_last_out") and earlier is not None and earlier > _MUCH_EARLIER:
        yield Suggestion(
            "split",
            "Convert with --splitting.method time, so that metrics say what the model knows of the future.",
            f"{earlier:.0%} of the test interactions are earlier than the last training interaction.",
        )
    elif method == "time" and test.of_new_users > _MANY_NEW:
        yield Suggestion(
            "split",
            "Convert with --splitting.method leave_last_out, or judge new users apart.",
            f"{test.of_new_users:.0%} of the test interactions are of users without training interactions.",
        )
    elif not has_times and method == "random":
        yield Suggestion(
            "split",
            "Add times, if there are any: a random split trains on the future of what it tests.",
            "The interactions have no times.",
        )


def _of_weights(description: Description) -> Iterator[Suggestion]:
    weights = description.weights
    if weights is not None and weights.heaviest_share > _HEAVY:
        yield Suggestion(
            "weights",
            "Cap the weights, as min(seconds, 600), or take their logarithm, log1p(seconds): training follows a few "
            "interactions.",
            f"1% of the training interactions have {weights.heaviest_share:.0%} of all weight.",
        )


def _of_features(description: Description, duplicates: Mapping[str, ContentDuplicates]) -> Iterator[Suggestion]:
    for name, found in duplicates.items():
        if found.largest_group > max(10, _ALIKE * found.items):
            yield Suggestion(
                "features",
                f"Look at {name}: if these are stand-ins for what was missing, leave them out of the features. Absent "
                "features are replaced by learned ones.",
                f"{found.largest_group:,} of {found.items:,} items have the same features.",
            )
        elif found.copies > _MANY_COPIES * found.items:
            yield Suggestion(
                "features",
                f"Look for the same content under several ids in {name}; such items compete for the same places.",
                f"{found.copies:,} of {found.items:,} items have the features of another item.",
            )
        if found.constant:
            width = description.modalities[name].width
            yield Suggestion(
                "features",
                f"Leave constant values out of {name}; they cost time and say nothing.",
                f"{found.constant:,} of {width:,} values are the same for all items.",
            )


def _of_preset(test: SplitReport, head_share: float) -> Iterator[Suggestion]:
    yield Suggestion(
        "preset",
        "Begin with train without --config: it races presets, popularity and neighbours on validation.",
        f"The most popular fifth of the items have {head_share:.0%} of the training interactions.",
    )
    if test.on_new_items > _MANY_COLD:
        yield Suggestion(
            "preset",
            "Compare with --config cold-start, and look at the metrics of cold items.",
            f"{test.on_new_items:.0%} of the test interactions are on items without training interactions.",
        )


def _of_batch(train: SplitReport) -> Iterator[Suggestion]:
    size = next((size for size in _BATCH_SIZES if train.interactions >= _STEPS * size), _BATCH_SIZES[-1])
    if size != _BATCH_SIZES[0]:
        steps = math.ceil(train.interactions / size)
        yield Suggestion(
            "batch",
            f"Train with --training.batch_size {size}.",
            f"{train.interactions:,} training interactions are {steps:,} steps an epoch then; with {_BATCH_SIZES[0]:,} "
            f"they are {math.ceil(train.interactions / _BATCH_SIZES[0]):,}.",
        )


def _of_metrics(splits: Mapping[str, SplitReport]) -> Iterator[Suggestion]:
    users = min(splits[name].users for name in ("validation", "test"))
    if 0 < users < _FEW_USERS:
        error = math.sqrt(_RECALL * (1 - _RECALL) / users)
        yield Suggestion(
            "metrics",
            "Train with several seeds, and compare models user by user (tf-metammf compare does both).",
            f"With {users:,} users, a hit rate of {_RECALL} has a standard error of {error:.3f}.",
        )
    elif not users:
        yield Suggestion("metrics", "Give validation and test some interactions.", "One of them is empty.")
