"""Where records go: which shard of how many, and what ids may be called."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

_SHARD_BYTES = 64 * 2**20


def shard_bounds(count: int, *, record_bytes: int, shards: int | None) -> NDArray[np.int64]:
    """Where the shards of ``count`` records begin and end.

    Args:
        count: Interactions of a split, or items.
        record_bytes: Bytes that each of them takes.
        shards: How many shards; by default one for every 64 MiB, at least one.

    Returns:
        int64 ``[shards + 1]``: shard s has the records from bound s up to bound s + 1.
    """
    shards = shards or max(1, -(-count * record_bytes // _SHARD_BYTES))
    return np.linspace(0, count, shards + 1).astype(np.int64)


def shard_name(dataset: str, split: str, *, shard: int, shards: int) -> str:
    """Path of a shard inside the record set, with forward slashes."""
    return f"{dataset}/{dataset}-{split}.tfrecord-{shard:05d}-of-{shards:05d}"


def require_shards(shards: int | None) -> None:
    """Refuses a number of shards below 1.

    Raises:
        InvalidInputError: It is below 1.
    """
    if shards is not None and shards < 1:
        raise InvalidInputError(f"shards is {shards}, expected at least 1. Leave it out for one every 64 MiB.")


def require_ids(kind: str, ids: Sequence[str]) -> None:
    """Refuses raw ids that cannot be a line of an id file.

    Args:
        kind: user or item, for the message.
        ids: The raw ids.

    Raises:
        InvalidInputError: An id is empty or has line breaks.
    """
    for position, raw in enumerate(ids):
        if not raw or "\n" in raw or "\r" in raw:
            raise InvalidInputError(
                f"{kind} number {position} has the id {raw!r}; ids must not be empty or contain line breaks. "
                "Rename it in the raw data."
            )
