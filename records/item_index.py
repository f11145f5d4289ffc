"""The index of an item shard: where each of its records starts, so that any of them can be read alone."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.metadata import FileEntry
from tf_metammf.records.record_set import RecordSet

HEADER_BYTES = 12
"""What a TFRecord has before its content: the length, uint64, and a checksum of it, uint32."""

FRAME_BYTES = HEADER_BYTES + 4
"""What a TFRecord takes beside its content: the header, and a checksum of the content."""

_OFFSET = np.dtype("<i8")


def index_path(shard: Path) -> Path:
    """The index beside an item shard: ``items-all-00000-of-00002.offsets`` for ``items-all.tfrecord-00000-of-00002``.

    TFDS takes any ``NAME-SPLIT.KIND-00000-of-00002`` for a shard, so an index must not be called like that.
    """
    return shard.with_name(shard.name.replace(".tfrecord-", "-") + ".offsets")


def write_index(path: Path, starts: Sequence[int]) -> None:
    """Writes an index: where record 0, 1, ... start, int64 little-endian, and nothing else."""
    path.write_bytes(np.asarray(starts, _OFFSET).tobytes())


def record_starts(record_set: RecordSet) -> list[NDArray[np.int64]]:
    """Where the records of every item shard start, from the indexes.

    A record set of schema version 1 has no indexes; then the headers of all records are read, which takes a few
    microseconds a record.

    Returns:
        int64 ``[records]`` for every shard.

    Raises:
        InvalidRecordSetError: An index or, where there is none, a shard is damaged.
    """
    metadata = record_set.metadata
    if not metadata.item_indexes:
        return [walk(record_set.folder / shard.path, shard.records) for shard in metadata.item_shards]
    return [
        _read_index(record_set.folder / index.path, shard)
        for index, shard in zip(metadata.item_indexes, metadata.item_shards, strict=True)
    ]


def walk(shard: Path, records: int) -> NDArray[np.int64]:
    """Where the records of a shard start, from the lengths in their headers.

    Args:
        shard: The TFRecord file.
        records: How many records it should have.

    Returns:
        int64 ``[records]``.

    Raises:
        InvalidRecordSetError: The lengths do not lead from record to record to the end of the file.
    """
    size = shard.stat().st_size
    starts = np.empty(records, np.int64)
    position = 0
    with shard.open("rb") as file:
        for record in range(records):
            starts[record] = position
            file.seek(position)
            header = file.read(HEADER_BYTES)
            if len(header) == HEADER_BYTES:
                position += FRAME_BYTES + struct.unpack_from("<Q", header)[0]
            if len(header) < HEADER_BYTES or position > size:
                raise InvalidRecordSetError(
                    f"{shard.name}: record {record} is truncated or damaged. Convert the raw data again, or copy the "
                    "shard again."
                )
    if position != size:
        raise InvalidRecordSetError(
            f"{shard.name}: has more than {records} records, which is what metadata.json says. "
            'See "tf-metammf records validate", then convert the raw data again.'
        )
    return starts


def index_problem(index: Path, shard: Path, records: int) -> str | None:
    """What is wrong with the index of a sound shard, as the end of a sentence about it; None if nothing is.

    Args:
        index: The index. Where it is missing, that is for others to say.
        shard: The shard.
        records: How many records it has.
    """
    if not index.is_file():
        return None
    found, expected = index.read_bytes(), walk(shard, records).astype(_OFFSET)
    if len(found) != expected.nbytes:
        return f"has {len(found)} bytes, expected {expected.nbytes}, 8 for each of {records} records"
    starts = np.frombuffer(found, _OFFSET)
    if (starts == expected).all():
        return None
    record = int(np.argmax(starts != expected))
    return f"says that record {record} starts at byte {starts[record]}, it starts at byte {expected[record]}"


def _read_index(path: Path, shard: FileEntry) -> NDArray[np.int64]:
    content = path.read_bytes()
    starts = np.frombuffer(content, _OFFSET, len(content) // _OFFSET.itemsize).astype(np.int64)
    ends = np.append(starts[1:], shard.bytes)
    sound = len(content) == shard.records * _OFFSET.itemsize and (ends - starts >= FRAME_BYTES).all()
    if not sound or (shard.records and starts[0] != 0):
        raise InvalidRecordSetError(
            f"{path.name}: is not an index of the {shard.records} records in {Path(shard.path).name}. "
            'See "tf-metammf records validate", then convert the raw data again.'
        )
    return starts
