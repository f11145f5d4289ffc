"""The two kinds of Example in a record set, parsed in batches: blocks of interactions, and items."""

from typing import Any

import tensorflow as tf

from tf_metammf.records.metadata import Metadata


def interaction_columns(metadata: Metadata) -> tuple[str, ...]:
    """Names of the columns of an interaction: user, item and, where the record set has them, timestamp."""
    return ("user", "item", "timestamp") if metadata.timestamps else ("user", "item")


def parse_blocks(records: tf.Tensor, metadata: Metadata) -> dict[str, tf.Tensor]:
    """Parses blocks of interactions and lays them end to end.

    Args:
        records: Serialized blocks, string ``[blocks]``.
        metadata: Metadata of the record set.

    Returns:
        int64 ``[interactions]`` by column name.

    Raises:
        tf.errors.InvalidArgumentError: A record is no block, its columns are not equally long,
            or an id is out of range. :func:`tf_metammf.records.damage.explain_damage` says which.
    """
    names = interaction_columns(metadata)
    columns = tf.io.parse_example(records, {name: tf.io.RaggedFeature(tf.int64) for name in names})
    lengths = columns["user"].row_lengths()
    sound = [tf.reduce_all(columns[name].row_lengths() == lengths) for name in names]
    sound += [
        tf.reduce_all((columns[name].values >= 0) & (columns[name].values < count))
        for name, count in (("user", metadata.users), ("item", metadata.items))
    ]
    tf.debugging.Assert(tf.reduce_all(sound), ["a block of interactions does not match metadata.json"])
    return {name: columns[name].values for name in names}


@tf.autograph.experimental.do_not_convert
def parse_items(records: tf.Tensor, metadata: Metadata) -> dict[str, Any]:
    """Parses item Examples.

    Args:
        records: Serialized items, string ``[B]``.
        metadata: Metadata of the record set.

    Returns:
        ``item``: int64 ``[B]``; ``features``: float32 ``[B, width]`` by modality, zeros where absent;
        ``presence``: bool ``[B]`` by modality.

    Raises:
        tf.errors.InvalidArgumentError: A record is no item, its id is out of range, or a modality is
            of another width than ``metadata.json`` says.
            :func:`tf_metammf.records.damage.explain_damage` says which.
    """
    schema: dict[str, Any] = {name: tf.io.RaggedFeature(tf.float32) for name in metadata.modalities}
    parsed = tf.io.parse_example(records, {"item": tf.io.FixedLenFeature([], tf.int64), **schema})
    sound = [tf.reduce_all((parsed["item"] >= 0) & (parsed["item"] < metadata.items))]
    features, presence = {}, {}
    for name, modality in metadata.modalities.items():
        widths = parsed[name].row_lengths()
        sound.append(tf.reduce_all((widths == 0) | (widths == modality.width)))
        features[name] = parsed[name].to_tensor(shape=[None, modality.width])
        presence[name] = widths > 0
    tf.debugging.Assert(tf.reduce_all(sound), ["an item does not match metadata.json"])
    return {"item": parsed["item"], "features": features, "presence": presence}
