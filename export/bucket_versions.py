"""Exported versions in a bucket that a server watches."""

import time
from pathlib import Path
from typing import Literal

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.versions import GRAPH_FILE
from tf_metammf.records.bucket_copies import copy_folder, joined, require_absent_copy, require_file_system


def next_version(url: str, version: int | Literal["timestamp"] | None = None) -> int:
    """The number of a version to write to a bucket.

    A bucket cannot reserve a number: two exports at the same time may get the same one, and the number of the largest
    version is given again after it was deleted. Give ``"timestamp"`` where that may happen.

    Args:
        url: The folder of all versions.
        version: Its number; None for the next one after those that are there; ``"timestamp"`` for the seconds since
            1970, or the next one if that is not larger than all of them.

    Raises:
        InvalidInputError: TensorFlow has no file system for it, the bucket cannot be reached, or the version exists.
    """
    import tensorflow as tf

    require_file_system(url)
    try:
        names = tf.io.gfile.listdir(url) if tf.io.gfile.exists(url) else []
    except tf.errors.OpError as error:
        raise InvalidInputError(f"{url}: {' '.join(error.message.split())}") from error
    numbers = [int(name) for name in (each.rstrip("/") for each in names) if name.isascii() and name.isdecimal()]
    following = max(numbers, default=0) + 1
    if version == "timestamp":
        return max(int(time.time()), following)
    if version is None:
        return following
    if not 1 <= version < 2**63:
        raise InvalidInputError(f"version is {version}, expected a number from 1 to 2^63 - 1.")
    require_absent_copy(joined(url, str(version)), last=GRAPH_FILE)
    return version


def copy_version(version: str | Path, url: str) -> str:
    """Copies an exported version into a bucket, its graph last.

    A server that polls the bucket meanwhile fails to load the version, because it has no graph, and tries again.

    Args:
        version: The version directory.
        url: The folder of all versions.

    Returns:
        Where it is.

    Raises:
        InvalidInputError: As :func:`tf_metammf.records.bucket_copies.copy_folder`.
    """
    target = joined(url, Path(version).name)
    copy_folder(version, target, last=GRAPH_FILE)
    return target
