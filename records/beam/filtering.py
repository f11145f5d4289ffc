"""Filtering of interactions, as :class:`tf_metammf.records.splits.filtering.Filtering` says it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.beam.columns import Columns, collected, end_to_end, length, of_parts, parts, take
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.splits.filtering import Filtering, first_of_each_pair
from tf_metammf.records.splits.repeat_weights import weights_of_repeats

_IDS_OF_RANGE = 20
"""Bits of an id inside its range; degrees are counted range by range."""

_ROLES = ("user", "item")

IdSet = dict[int, tuple[int, bytes]]
"""Which dense ids are in a set: by range of ids, how many of the set come before it, and one bit an id."""


def filtered(
    rows: "beam.PCollection[Columns]", filtering: Filtering, *, partitions: int, k_core_rounds: int
) -> "tuple[beam.PCollection[Columns], list[Any]]":
    """Drops interactions in the order of the fields of ``filtering``, and with them their ratings.

    Args:
        rows: What :func:`tf_metammf.records.beam.interaction_rows.with_dense_ids` returns.
        filtering: What to drop.
        partitions: Parts in which duplicates are looked for.
        k_core_rounds: How often users and items below the k-core are dropped at most.

    Returns:
        The rest, with the same ids, and entries of the kind "rows": how many there are at first ("read") and after each
        filter ("rated", "distinct", "kept"). A k-core that is not reached in so many rounds is an error of the
        pipeline.
    """
    counts = [_counted(rows, "read")]
    if filtering.rating_threshold is not None:
        rows = rows | "rating threshold" >> beam.Map(_rated, filtering.rating_threshold)
    rows = rows | "without ratings" >> beam.Map(_without_rating)
    counts.append(_counted(rows, "rated"))
    if filtering.deduplicate:
        rows = (
            rows
            | "duplicates: by pair" >> beam.FlatMap(_by_pair, partitions)
            | "duplicates: together" >> beam.GroupByKey()
            | "duplicates: first" >> beam.Map(of_parts(_first), filtering.weight_of_repeats)
        )
    counts.append(_counted(rows, "distinct"))
    if filtering.k_core:
        rows = _k_core(rows, filtering.k_core, rounds=k_core_rounds)
    counts.append(_counted(rows, "kept"))
    return rows, counts


def _counted(rows: "beam.PCollection[Columns]", stage: str) -> "beam.PCollection[Any]":
    return (
        rows
        | f"rows {stage}" >> beam.Map(length)
        | f"rows {stage}: sum" >> beam.CombineGlobally(sum)
        | f"rows {stage}: entry" >> beam.Map(lambda count: ("rows", stage, 0, {"rows": int(count)}))
    )


def id_sets(rows: "beam.PCollection[Columns]", label: str) -> dict[str, Any]:
    """The users and the items that occur, as side inputs."""
    return _frequent(rows, 1, label)


@dataclass(frozen=True)
class Renumbering:
    """New dense ids for those of a set: their places in it, in the same order."""

    ids: IdSet

    @property
    def count(self) -> int:
        """Ids of the set."""
        if not self.ids:
            return 0
        before, bits = self.ids[max(self.ids)]
        return before + int(_unpacked(bits).sum())

    def contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which ids are in the set."""
        found = np.zeros(len(ids), bool)
        for number, rows in _by_range(ids):
            if number in self.ids:
                found[rows] = _in_range(self.ids[number][1], ids[rows])
        return found

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """New ids of ids that are in the set."""
        found = np.empty(len(ids), np.int64)
        for number, rows in _by_range(ids):
            before, bits = self.ids[number]
            places = np.cumsum(_unpacked(bits), dtype=np.int64) - 1
            found[rows] = before + places[ids[rows] & _mask()]
        return found


def renumbered(rows: Columns, users: IdSet, items: IdSet) -> Columns:
    """A batch with new ids of users and items."""
    return {**rows, "user": Renumbering(users).of(rows["user"]), "item": Renumbering(items).of(rows["item"])}


def _rated(rows: Columns, threshold: float) -> Columns:
    return take(rows, rows["rating"] >= threshold)


def _without_rating(rows: Columns) -> Columns:
    return {name: column for name, column in rows.items() if name != "rating"}


def _by_pair(rows: Columns, partitions: int) -> Iterator[tuple[int, Columns]]:
    # A pair is sent by both of its ids, so that neither a busy user nor a popular item is one worker's burden.
    mixed = rows["user"].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + rows["item"].astype(np.uint64)
    yield from parts(rows, (mixed % np.uint64(partitions)).astype(np.int64))


def _first(_: int, batches: Iterable[Columns], weight_of_repeats: str) -> Columns:
    rows = end_to_end(batches)
    rows = take(rows, np.argsort(rows["order"]))
    interactions = Interactions(rows["user"], rows["item"], rows.get("timestamp"), weight=rows.get("weight"))
    first = first_of_each_pair(interactions)
    weight = weights_of_repeats(interactions, first, weight_of_repeats, split_of=rows.get("split"))
    return take(rows, first) | ({} if weight is None else {"weight": weight})


def _k_core(rows: "beam.PCollection[Columns]", k: int, *, rounds: int) -> "beam.PCollection[Columns]":
    for number in range(1, rounds + 1):
        frequent = _frequent(rows, k, f"k-core {number}")
        rows = rows | f"k-core {number}: keep" >> beam.Map(_of_sets, frequent["user"], frequent["item"])
    infrequent = [
        collected(_degrees(rows, role, "k-core reached"), f"k-core reached: {role}s", _count_below, k)
        for role in _ROLES
    ]
    return rows | "k-core reached" >> beam.Map(_require_core, k, rounds, *infrequent)


def _frequent(rows: "beam.PCollection[Columns]", k: int, label: str) -> dict[str, Any]:
    return {role: collected(_degrees(rows, role, label), f"{label}: {role}s", _id_set, k) for role in _ROLES}


def _degrees(rows: "beam.PCollection[Columns]", role: str, label: str) -> "beam.PCollection[Any]":
    """``(range, (ids, degrees))`` of all ids that occur."""
    return (
        rows
        | f"{label}: count {role}s" >> beam.FlatMap(_counts, role)
        | f"{label}: degrees of {role}s" >> beam.CombinePerKey(SumCounts())
    )


def _counts(rows: Columns, role: str) -> Iterator[tuple[int, tuple[NDArray[np.int64], NDArray[np.int64]]]]:
    ids, counts = np.unique(rows[role], return_counts=True)
    for number, part in parts({"ids": ids, "counts": counts}, ids >> _IDS_OF_RANGE):
        yield number, (part["ids"], part["counts"])


class SumCounts(beam.CombineFn):
    """Adds up ``(values, counts)``: every value once, ascending, with all its counts."""

    def create_accumulator(self) -> list[Any]:
        """Nothing yet."""
        return []

    def add_input(self, accumulator: list[Any], element: Any) -> list[Any]:
        """Takes in one pair of arrays."""
        return [*accumulator, element] if len(accumulator) < 16 else [_summed([*accumulator, element])]

    def merge_accumulators(self, accumulators: Iterable[list[Any]]) -> list[Any]:
        """Takes in what others added up."""
        return [_summed([pair for accumulator in accumulators for pair in accumulator])]

    def compact(self, accumulator: list[Any]) -> list[Any]:
        """Adds up what was taken in."""
        return [_summed(accumulator)]

    def extract_output(self, accumulator: list[Any]) -> Any:
        """The sums."""
        return _summed(accumulator)


def _summed(pairs: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not pairs:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if len(pairs) == 1:
        return pairs[0]
    values, place = np.unique(np.concatenate([values for values, _ in pairs]), return_inverse=True)
    sums = np.zeros(len(values), np.int64)
    np.add.at(sums, place, np.concatenate([counts for _, counts in pairs]))
    return values, sums


def _id_set(degrees: list[Any], k: int) -> IdSet:
    found: IdSet = {}
    before = 0
    for number, (ids, counts) in sorted(degrees, key=lambda entry: entry[0]):
        bits = np.zeros(1 << _IDS_OF_RANGE, bool)
        bits[ids[counts >= k] & _mask()] = True
        # Nothing after the last id is kept, so that the set of a small catalogue is small.
        found[number] = (before, np.packbits(bits[: int(ids[-1] & _mask()) + 1]).tobytes())
        before += int(bits.sum())
    return found


def _of_sets(rows: Columns, users: IdSet, items: IdSet) -> Columns:
    return take(rows, Renumbering(users).contains(rows["user"]) & Renumbering(items).contains(rows["item"]))


def _count_below(degrees: list[Any], k: int) -> int:
    return sum(int((counts < k).sum()) for _, (_, counts) in degrees)


def _require_core(rows: Columns, k: int, rounds: int, users: int, items: int) -> Columns:
    if users or items:
        raise InvalidInputError(
            f"k_core {k} is not reached after {rounds} rounds: {users} users and {items} items still have fewer "
            f"interactions. Give more --beam_k_core_rounds than {rounds}."
        )
    return rows


def _by_range(ids: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for number, part in parts({"rows": np.arange(len(ids))}, ids >> _IDS_OF_RANGE):
        yield number, part["rows"]


def _in_range(bits: bytes, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    unpacked = _unpacked(bits)
    places = ids & _mask()
    return np.where(places < len(unpacked), unpacked[np.minimum(places, len(unpacked) - 1)], False)


def _unpacked(bits: bytes) -> NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(bits, np.uint8)).astype(bool)


def _mask() -> int:
    return (1 << _IDS_OF_RANGE) - 1
