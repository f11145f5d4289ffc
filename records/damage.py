"""Names the shard and the record behind an error that `tf.data` does not name."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.item_index import index_problem
from tf_metammf.records.metadata import FileEntry
from tf_metammf.records.record_problems import block_problem, item_problem
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.shard_records import read_examples

_ADVICE = 'See "tf-metammf records validate", then convert the raw data again.'
_READING_ERRORS = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    UnicodeDecodeError,  # TensorFlow quotes a record that it cannot parse, and then cannot read its own message
)


def explain_damage(record_set: RecordSet, error: BaseException) -> InvalidRecordSetError | None:
    """Looks for the damaged record behind an error.

    Reads the record set record by record up to the first damage, which is slow; call it only
    after an error.

    Args:
        record_set: What was being read, for instance by ``fit``.
        error: What was raised.

    Returns:
        An error that names shard and record (the first record is 0) and what is wrong with it;
        None if ``error`` is none that reading raises, or the record set is sound.
    """
    if not isinstance(error, _READING_ERRORS):
        return None
    metadata = record_set.metadata
    blocks = [shard for split in metadata.splits.values() for shard in split.shards]
    try:
        _check(record_set, blocks, block_problem)
        _check(record_set, metadata.item_shards, item_problem)
        _check_indexes(record_set)
    except InvalidRecordSetError as damage:
        return damage
    return None


@contextmanager
def damage_named(record_set: RecordSet) -> Iterator[None]:
    """Turns what TensorFlow raises in the block into an error that names the damaged record, where there is one.

    Raises:
        InvalidRecordSetError: See :func:`explain_damage`.
    """
    try:
        yield
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        damage = explain_damage(record_set, error)
        if damage is None:
            raise
        raise damage from error


def _check(record_set: RecordSet, shards: Sequence[FileEntry], problem_of: Callable[..., str | None]) -> None:
    for shard in shards:
        path = record_set.folder / shard.path
        records = 0
        for example in read_examples(path):
            problem = problem_of(example, record_set.metadata)
            if problem is not None:
                raise InvalidRecordSetError(f"{path.name}: record {records} {problem}. {_ADVICE}")
            records += 1
        if records != shard.records:
            raise InvalidRecordSetError(
                f"{path.name}: has {records} records, metadata.json says {shard.records}. {_ADVICE}"
            )


def _check_indexes(record_set: RecordSet) -> None:
    metadata = record_set.metadata
    for index, shard in zip(metadata.item_indexes, metadata.item_shards, strict=False):
        path = record_set.folder / index.path
        problem = index_problem(path, record_set.folder / shard.path, shard.records)
        if problem is not None:
            raise InvalidRecordSetError(f"{path.name}: {problem}. {_ADVICE}")
