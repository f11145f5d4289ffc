"""The interactions that the weights of a run have been trained on: its own, and those of the runs it began from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, MetaMMFError
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import replaced_file
from tf_metammf.trainer.runs.run_directory import RunDirectory, open_run_directory


@dataclass(frozen=True)
class RawPairs:
    """Pairs of a user and an item.

    Attributes:
        user_ids: Raw user ids.
        item_ids: Raw item ids.
        user: Positions among the raw user ids, int64 ``[n]``.
        item: Positions among the raw item ids, int64 ``[n]``.
    """

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    user: NDArray[np.int64]
    item: NDArray[np.int64]

    def keys(self, record_set: RecordSet) -> NDArray[np.int64]:
        """One number for each pair, ``user * items + item`` by the dense ids of a record set; -1 for others."""
        users, items = (
            _dense(now, before)
            for now, before in ((record_set.user_ids, self.user_ids), (record_set.item_ids, self.item_ids))
        )
        user, item = users[self.user], items[self.item]
        return np.where((user >= 0) & (item >= 0), user * len(record_set.item_ids) + item, -1)

    def take(self, rows: NDArray[np.bool_]) -> "RawPairs":
        """The marked pairs."""
        return replace(self, user=self.user[rows], item=self.item[rows])


@dataclass(frozen=True)
class TrainedInteractions:
    """What weights have been trained on.

    Attributes:
        parts: The pairs, in parts that may have some in common.
        unknown: Runs of the chain of which that is not known, with the reason.
    """

    parts: tuple[RawPairs, ...]
    unknown: tuple[str, ...] = ()

    def outside(self, record_set: RecordSet) -> "TrainedInteractions":
        """Those that are not in the training split of a record set."""
        own = split_keys(record_set, "train")
        parts = [part.take(~np.isin(part.keys(record_set), own)) for part in self.parts]
        return replace(self, parts=tuple(part for part in parts if len(part.user)))

    def write(self, run: RunDirectory) -> None:
        """Keeps them in a run directory, as a table of raw ids; no table where there are none."""
        if not self.parts:
            return
        table = pa.table(
            {
                "user_id": pa.chunked_array([_texts(part.user_ids, part.user) for part in self.parts]),
                "item_id": pa.chunked_array([_texts(part.item_ids, part.item) for part in self.parts]),
            }
        )
        with replaced_file(run.earlier_interactions_file) as aside:
            pq.write_table(table, aside)


def trained_interactions(run: RunDirectory, record_set: RecordSet) -> TrainedInteractions:
    """What the weights of a run have been trained on.

    Runs that an earlier version began from others did not keep what those were trained on: it is looked up in their
    run directories, as far as they and their record sets are still there.

    Args:
        run: The run.
        record_set: Its record set.
    """
    return _trained_interactions(run, record_set, visited=())


def split_pairs(record_set: RecordSet, split: str) -> RawPairs:
    """The interactions of a split, by raw ids."""
    pairs = read_interactions(record_set, split)
    return RawPairs(record_set.user_ids, record_set.item_ids, pairs.user, pairs.item)


def split_keys(record_set: RecordSet, split: str) -> NDArray[np.int64]:
    """One number for each interaction of a split, ``user * items + item``."""
    pairs = read_interactions(record_set, split)
    return pairs.user * record_set.metadata.items + pairs.item


def _trained_interactions(
    run: RunDirectory, record_set: RecordSet, *, visited: tuple[Path, ...]
) -> TrainedInteractions:
    earlier = _earlier_interactions(run, visited=(*visited, run.folder.resolve()))
    return TrainedInteractions((split_pairs(record_set, "train"), *earlier.parts), earlier.unknown)


def _earlier_interactions(run: RunDirectory, *, visited: tuple[Path, ...]) -> TrainedInteractions:
    start = run.configuration.begins_from
    if start is None:
        return TrainedInteractions(())
    report = run.read("warm_start") if run.has("warm_start") else {}
    if "leakage" in report:
        return TrainedInteractions(_kept_pairs(run), tuple(report["leakage"]["unknown"]))
    source = RunDirectory(Path(start))
    try:
        if source.folder.resolve() in visited:
            raise InvalidInputError("it started from itself")
        source = open_run_directory(start)
        return _trained_interactions(source, source.open_records(), visited=visited)
    except MetaMMFError as error:
        return TrainedInteractions((), (f"{start} ({str(error).rstrip('.')})",))


def _kept_pairs(run: RunDirectory) -> tuple[RawPairs, ...]:
    file = run.earlier_interactions_file
    if not file.is_file():
        return ()
    try:
        table = pq.read_table(file, columns=["user_id", "item_id"])
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(f"{file}: cannot be read ({reason}). Train the model again.") from error
    columns = []
    for name in ("user_id", "item_id"):
        column = table[name].combine_chunks().dictionary_encode()
        columns.append((column.dictionary.to_pylist(), column.indices.to_numpy().astype(np.int64)))
    (user_ids, user), (item_ids, item) = columns
    return (RawPairs(user_ids, item_ids, user, item),)


def _texts(ids: Sequence[str], rows: NDArray[np.int64]) -> pa.Array:
    return pa.array(ids, pa.large_string()).take(pa.array(rows))


def _dense(now: Sequence[str], before: Sequence[str]) -> NDArray[np.int64]:
    """Of every raw id before the position now, -1 where there is none."""
    place = {raw: position for position, raw in enumerate(now)}
    return np.array([place.get(raw, -1) for raw in before], np.int64)
