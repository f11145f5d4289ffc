"""Splitting: which interactions train, validate and test."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.funnel import LikeCounts
from tf_metammf.records.raw_data import SPLITS, Interactions, RawData
from tf_metammf.records.record_set import RecordSet, open_record_set
from tf_metammf.records.splits.default_split import NO_TIMES, SOURCE_HAS_SPLITS, interactions_of_new, method_of_times
from tf_metammf.records.splits.earlier_splits import UNKNOWN, KnownSplits, known_splits
from tf_metammf.records.splits.filtering import pooled
from tf_metammf.records.splits.split_methods import METHODS, Unsplit

SOURCE_METHOD = "source"
AS_ASKED = "as requested"


@dataclass(frozen=True)
class Splitting:
    """How to split interactions into training, validation and test.

    The methods:

    - ``source``: the splits that the source has.
    - ``random``: at random per user. Of a user with n interactions, validation gets
      ``validation * n`` and test ``test * n``, each rounded up or down at random so that the
      shares hold on average; at least one stays in training.
    - ``leave_last_out``: per user by time; the last interaction is for test, the one before it
      for validation, the first one always trains. A share of 0 leaves its split empty, other
      shares have no effect. Interactions of one moment are in an order drawn from the seed.
    - ``time``: at two moments for all users; the latest ``test`` of all interactions are for
      test, the ``validation`` before them for validation. No moment is cut apart: a split
      begins at the moment that is nearest to its share. Users who come late are left without
      training interactions.
    - ``cold_start``: ``cold_items`` of the items, drawn at random, are kept out of training.
      They are divided between validation and test in the ratio of these shares, each with all
      its interactions, so that the cold items of test are not known from validation. The other
      interactions are split as by ``random``. A user who knows only cold items is left without
      training interactions.

    Without a method it is ``source`` where the source has splits, and ``random`` where there are
    no times. Where there are times it is ``time``, unless that leaves a split empty or more than
    20 % of the interactions of validation and test to users without training interactions; then
    it is ``leave_last_out``.

    With ``like``, every interaction that an earlier record set has, by raw user id and raw item
    id, stays in the split it had there, and only new interactions are split, among themselves:
    by the method given, else by the method and the shares of the earlier set. A user with
    training interactions in the earlier set may have all new ones held out. Where the method or
    that of the earlier set is ``cold_start``, items that were kept out of training stay out of
    it: their new interactions go to test if they were in test, else to validation; and cold
    items are drawn among new items alone.

    Attributes:
        method: source, random, leave_last_out, time or cold_start; by default chosen by the data, see docs/records.md.
        validation: Share of validation, at least 0.
        test: Share of test, at least 0; together with validation below 1.
        cold_items: Share of the items kept out of training by cold_start, above 0 and below 1,
            among those with interactions and, where there are modalities, with features.
        like: An earlier record set whose splits are kept; none by default.
    """

    method: str | None = None
    validation: float = 0.1
    test: float = 0.1
    cold_items: float = 0.2
    like: str | Path | None = None

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in splitting_methods():
            raise unknown_name("splitting method", self.method, splitting_methods())
        # Written so that NaN is refused, too.
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):
            raise InvalidInputError(
                f"validation is {self.validation} and test is {self.test}; expected shares of at least 0 that leave "
                "some interactions for training."
            )
        if not 0 < self.cold_items < 1:
            raise InvalidInputError(f"cold_items is {self.cold_items}, expected a share between 0 and 1.")


@dataclass(frozen=True)
class Division:
    """Interactions, divided.

    Attributes:
        splits: Interactions of "train", "validation" and "test".
        splitting: What was asked for, with the method and the shares that were used.
        reason: Why this method.
        like: What became of the splits of the earlier record set, if there is one.
    """

    splits: dict[str, Interactions]
    splitting: Splitting
    reason: str
    like: LikeCounts | None = None


def splitting_methods() -> list[str]:
    """Names of all methods, in alphabetical order."""
    return sorted([SOURCE_METHOD, *METHODS])


def split_interactions(data: RawData, splitting: Splitting, *, seed: int) -> dict[str, Interactions]:
    """The splits of :func:`divide`."""
    return divide(data, splitting, seed=seed).splits


def divide(data: RawData, splitting: Splitting, *, seed: int) -> Division:
    """Puts every interaction into exactly one split.

    Args:
        data: What a source read, filtered.
        splitting: The method and its shares.
        seed: Seed of everything random; the same data and seed give the same splits.

    Returns:
        Interactions of "train", "validation" and "test", each in the order of ``data``, and how they were divided.

    Raises:
        InvalidInputError: The method needs timestamps, or splits of the source, and there are
            none; or no interaction is left for training.
        InvalidRecordSetError: ``splitting.like`` is not a record set, or is damaged.
    """
    earlier = None if splitting.like is None else open_record_set(splitting.like)
    used, reason = _with_method(data, splitting, earlier, seed=seed)
    if earlier is None and used.method == SOURCE_METHOD:
        splits, like = {name: _own_splits(data)[name] for name in SPLITS}, None
    else:
        data = replace(data, interactions=pooled(data)[0]) if used.method == SOURCE_METHOD else data
        if earlier is None:
            split_of, like = _labels(Unsplit.all_of(data), used, seed=seed), None
        else:
            split_of, like = _labels_like(data, earlier, used, seed=seed)
        splits = {name: data.interactions.take(split_of == label) for label, name in enumerate(SPLITS)}
    if len(splits["train"]) == 0:
        raise InvalidInputError(
            f'{data.name}: splitting method "{used.method}" leaves none of {len(data.interactions)} interactions for '
            "training. Change the splitting or the filtering."
        )
    return Division(splits, used, reason, like)


def require_validation(interactions: int, splitting: Splitting) -> None:
    """Refuses an empty validation split, which training cannot do without, unless its share is 0.

    Args:
        interactions: Interactions of validation.
        splitting: The method and the shares that were used.

    Raises:
        InvalidInputError: It is empty, and was not to be.
    """
    if interactions or splitting.validation == 0:
        return
    where = {
        SOURCE_METHOD: "Mark some interactions of the source as validation, choose another splitting method",
        "leave_last_out": 'No user has three interactions. Choose the splitting method "time"',
    }.get(splitting.method or "", "Give validation a larger share, filter less, choose another splitting method")
    raise InvalidInputError(
        f'splitting method "{splitting.method}" leaves no interactions for validation, by which training chooses its '
        f"best epoch. {where}, or set the share of validation to 0 if you do not train on the record set."
    )


def _with_method(data: RawData, splitting: Splitting, earlier: RecordSet | None, *, seed: int) -> tuple[Splitting, str]:
    """The splitting with a method, and with shares of the earlier record set where it takes its method; and why."""
    if splitting.method is not None:
        return splitting, AS_ASKED
    if earlier is not None and isinstance(earlier.metadata.source.get("splitting"), dict):
        return _as_before(data, splitting, earlier)
    if data.splits is not None:
        return replace(splitting, method=SOURCE_METHOD), SOURCE_HAS_SPLITS
    if data.interactions.timestamp is None:
        return replace(splitting, method="random"), NO_TIMES
    split_of = METHODS["time"](Unsplit.all_of(data), splitting, seed)
    method, reason = method_of_times(
        np.bincount(split_of, minlength=len(SPLITS)).tolist(),
        interactions_of_new(data.interactions.user, split_of).tolist(),
        held_out=[True, splitting.validation > 0, splitting.test > 0],
    )
    return replace(splitting, method=method), reason


def _as_before(data: RawData, splitting: Splitting, earlier: RecordSet) -> tuple[Splitting, str]:
    """The method of the earlier record set, and those of its shares that were not asked for otherwise."""
    before, default = earlier.metadata.source["splitting"], Splitting()
    method = before.get("method")
    if method not in splitting_methods():  # earlier releases did not write down what their default came to
        method = "random" if data.splits is None else SOURCE_METHOD
    shares = {
        name: before[name]
        for name in ("validation", "test", "cold_items")
        if getattr(splitting, name) == getattr(default, name) and isinstance(before.get(name), float | int)
    }
    return replace(splitting, method=method, **shares), f"the method of {earlier.folder.resolve().name}"


def _own_splits(data: RawData) -> dict[str, Interactions]:
    if data.splits is None:
        raise InvalidInputError(
            f'splitting method "{SOURCE_METHOD}": the source of {data.name} has no splits. '
            f"Choose one of {', '.join(sorted(METHODS))}."
        )
    return data.splits


def _labels(unsplit: Unsplit, splitting: Splitting, *, seed: int) -> NDArray[np.int8]:
    """Split of every interaction of ``unsplit``."""
    if splitting.method == SOURCE_METHOD:
        _own_splits(unsplit.data)
        return pooled(unsplit.data)[1][unsplit.rows]
    return METHODS[str(splitting.method)](unsplit, splitting, seed)


def _labels_like(
    data: RawData, earlier: RecordSet, splitting: Splitting, *, seed: int
) -> tuple[NDArray[np.int8], LikeCounts]:
    """Split of every interaction: known ones as they were, those of cold items where these were, others by method."""
    known = known_splits(earlier, data)
    split_of = known.split_of.copy()
    if "cold_start" in (splitting.method, _method_of(earlier)):
        split_of = _with_cold_items(split_of, known, data)
    rows = np.flatnonzero(split_of == UNKNOWN)
    trained = np.zeros(len(data.user_ids), bool)
    trained[data.interactions.user[split_of == 0]] = True
    if len(rows):
        unsplit = Unsplit(data, rows, trained, known.split_of_item != UNKNOWN)
        split_of[rows] = _labels(unsplit, splitting, seed=seed)
    new = len(split_of) - known.kept
    return split_of, LikeCounts(earlier.folder.resolve().name, earlier.metadata.checksum, known.kept, new, known.gone)


def _with_cold_items(split_of: NDArray[np.int8], known: KnownSplits, data: RawData) -> NDArray[np.int8]:
    """The same with new interactions of items that were kept out of training where these items were."""
    of_item = known.split_of_item[data.interactions.item]
    return np.where((split_of == UNKNOWN) & (of_item > 0), of_item, split_of)


def _method_of(earlier: RecordSet) -> Any:
    splitting = earlier.metadata.source.get("splitting")
    return splitting.get("method") if isinstance(splitting, dict) else None


def provenance_of_splitting(division_splitting: Splitting) -> dict[str, Any]:
    """The splitting as plain JSON values, the earlier record set by the name of its folder."""
    like = division_splitting.like
    return {**asdict(division_splitting), "like": None if like is None else Path(like).resolve().name}
