"""The records of one shard, one after another, up to the first damaged one."""

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from tf_metammf.errors import InvalidRecordSetError


def read_examples(shard: Path) -> Iterator[tf.train.Example]:
    """Reads a shard record by record; slow, but it knows where it is.

    Args:
        shard: The TFRecord file.

    Yields:
        The Examples, counted from record 0.

    Raises:
        InvalidRecordSetError: A record is truncated, its bits are damaged, or it is no Example; the message
            has the shard and the number of the record.
    """
    number = 0
    try:
        for record in tf.data.TFRecordDataset([str(shard)]).as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            yield example
            number += 1
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        kind = "truncated" if "truncated" in error.message.lower() else "damaged"
        raise InvalidRecordSetError(
            f"{shard.name}: record {number} is {kind}. Convert the raw data again, or copy the shard again."
        ) from error
    except tf.errors.OpError as error:
        raise InvalidRecordSetError(f"{shard.name}: cannot be read after record {number} ({error.message}).") from error
    except ValueError as error:  # protobuf's DecodeError is one
        raise InvalidRecordSetError(f"{shard.name}: record {number} is not a tf.train.Example ({error}).") from error
