"""The two kinds of Example in a record set, parsed in batches: blocks of interactions, and items."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_metammf.records.metadata import Metadata
from tf_metammf.records.shards import interaction_column_names
from tf_metammf.records.token_examples import modality_schema, sequences, value_counts, vectors
from tf_metammf.records.token_sequences import FeatureForm

_NO_MATCH = "an item does not match metadata.json"


def interaction_columns(metadata: Metadata) -> tuple[str, ...]:
    """Names of the columns of an interaction: user, item and, where the record set has them, timestamp and weight."""
    return interaction_column_names(timestamps=metadata.timestamps, weights=metadata.weights)


def parse_blocks(records: tf.Tensor, metadata: Metadata) -> dict[str, tf.Tensor]:
    """Parses blocks of interactions and lays them end to end.

    Args:
        records: Serialized blocks, string ``[blocks]``.
        metadata: Metadata of the record set.

    Returns:
        By column name int64 ``[interactions]``, of weights float32.

    Raises:
        tf.errors.InvalidArgumentError: A record is no block, its columns are not equally long,
            an id is out of range, or a weight is negative or not finite.
            :func:`tf_metammf.records.damage.explain_damage` says which.
    """
    names = interaction_columns(metadata)
    types = {name: tf.float32 if name == "weight" else tf.int64 for name in names}
    columns = tf.io.parse_example(records, {name: tf.io.RaggedFeature(types[name]) for name in names})
    lengths = columns["user"].row_lengths()
    sound = [tf.reduce_all(columns[name].row_lengths() == lengths) for name in names]
    sound += [
        tf.reduce_all((columns[name].values >= 0) & (columns[name].values < count))
        for name, count in (("user", metadata.users), ("item", metadata.items))
    ]
    if "weight" in columns:
        sound.append(tf.reduce_all((columns["weight"].values >= 0) & (columns["weight"].values < np.inf)))
    tf.debugging.Assert(tf.reduce_all(sound), ["a block of interactions does not match metadata.json"])
    return {name: columns[name].values for name in names}


@tf.autograph.experimental.do_not_convert
def parse_items(records: tf.Tensor, metadata: Metadata, *, form: FeatureForm = "tokens") -> dict[str, Any]:
    """Parses item Examples.

    Args:
        records: Serialized items, string ``[B]``.
        metadata: Metadata of the record set.
        form: Whether token sequences are returned as they are, or as the mean over the tokens of each item.

    Returns:
        ``item``: int64 ``[B]``; ``features``: float32 ``[B, width]`` by modality, zeros where absent, or
        :class:`tf_metammf.records.TokenSequences`; ``presence``: bool ``[B]`` by modality.

    Raises:
        tf.errors.InvalidArgumentError: A record is no item, its id is out of range, or a modality is
            of another width or longer than ``metadata.json`` says.
            :func:`tf_metammf.records.damage.explain_damage` says which.
    """
    parsed = tf.io.parse_example(records, _item_schema(metadata))
    counts = {name: value_counts(parsed, name, entry) for name, entry in metadata.modalities.items()}
    sound = [tf.reduce_all((parsed["item"] >= 0) & (parsed["item"] < metadata.items))]
    sound += [tf.reduce_all(as_said) for _, as_said in counts.values()]
    features = {}
    # What is computed of sequences waits for the check: rows of other lengths would not fit.
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(sound), [_NO_MATCH])]):
        for name, entry in metadata.modalities.items():
            if entry.tokens is None:
                features[name] = vectors(parsed, name, entry)
                continue
            found = sequences(parsed, name, entry, tf.identity(counts[name][0]))
            features[name] = found if form == "tokens" else found.means()
        presence = {name: values > 0 for name, (values, _) in counts.items()}
        return {"item": tf.identity(parsed["item"]), "features": features, "presence": presence}


def _item_schema(metadata: Metadata) -> dict[str, Any]:
    schemas = [modality_schema(name, entry) for name, entry in metadata.modalities.items()]
    return {name: feature for schema in schemas for name, feature in schema.items()} | {
        "item": tf.io.FixedLenFeature([], tf.int64)
    }
