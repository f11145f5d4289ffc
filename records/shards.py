"""Where records go: which shard of how many, with which columns, and what ids and weights may be."""

from collections.abc import Iterable, Sequence

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


def interaction_column_names(*, timestamps: bool, weights: bool) -> tuple[str, ...]:
    """Names of the columns of an interaction, in their order."""
    return ("user", "item", *(("timestamp",) if timestamps else ()), *(("weight",) if weights else ()))


def interaction_bytes(names: Iterable[str]) -> int:
    """Bytes of an interaction with these columns: 8 each, of a weight 4."""
    return sum(4 if name == "weight" else 8 for name in names)


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


def require_some_weight(name: str, largest: float) -> None:
    """Refuses weights of which nothing could be learned.

    Args:
        name: Name of the data set, for the message.
        largest: The largest weight of a training interaction.

    Raises:
        InvalidInputError: It is 0.
    """
    if not largest > 0:
        raise InvalidInputError(
            f"{name}: all training interactions have the weight 0, so nothing could be learned. Check the weight."
        )
