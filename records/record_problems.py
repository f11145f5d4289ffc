"""What can be wrong with one record that can be read: it does not fit ``metadata.json``."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.records.examples import interaction_columns
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.modality_entry import ModalityEntry
from tf_metammf.records.token_examples import time_feature


def block_problem(example: tf.train.Example, metadata: Metadata) -> str | None:
    """What is wrong with a block of interactions, as the end of a sentence about the record; None if nothing is."""
    columns: dict[str, NDArray[Any]] = {
        name: np.array(example.features.feature[name].int64_list.value, np.int64)
        for name in interaction_columns(metadata)
    }
    if metadata.weights:
        columns["weight"] = np.array(example.features.feature["weight"].float_list.value, np.float32)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        return f"has lists of different lengths: {', '.join(f'{name} {length}' for name, length in lengths.items())}"
    for name, count in (("user", metadata.users), ("item", metadata.items)):
        outside = columns[name][(columns[name] < 0) | (columns[name] >= count)]
        if len(outside):
            return f"has the {name} {outside[0]}, expected 0 to {count - 1}"
    if metadata.weights:
        unusable = ~((columns["weight"] >= 0) & (columns["weight"] < np.inf))
        if unusable.any():
            return f"has the weight {columns['weight'][unusable][0]}, expected a finite number of at least 0"
    return None


def item_problem(example: tf.train.Example, metadata: Metadata) -> str | None:
    """What is wrong with an item, as the end of a sentence about the record; None if nothing is."""
    ids = example.features.feature["item"].int64_list.value
    if len(ids) != 1 or not 0 <= ids[0] < metadata.items:
        return f"has the item {list(ids)}, expected one from 0 to {metadata.items - 1}"
    problems = (_modality_problem(example, name, entry) for name, entry in metadata.modalities.items())
    return next((problem for problem in problems if problem), None)


def stored_values(example: tf.train.Example, modality: str, entry: ModalityEntry) -> NDArray[np.floating]:
    """The values of a modality in an item, ``[n]``; those of a text with half a value at its end without that."""
    feature = example.features.feature[modality]
    if entry.stored_dtype == "float32":
        return np.array(feature.float_list.value, np.float32)
    text = b"".join(feature.bytes_list.value)
    return np.frombuffer(text, "<f2", len(text) // 2)


def _modality_problem(example: tf.train.Example, name: str, entry: ModalityEntry) -> str | None:
    count = len(stored_values(example, name, entry))
    if entry.stored_dtype == "float16" and sum(map(len, example.features.feature[name].bytes_list.value)) % 2:
        return f'has an odd number of bytes for modality "{name}", expected 2 a value'
    if entry.tokens is None:
        if count not in (0, entry.width):
            return f'has {count} values for modality "{name}", metadata.json says {entry.width}'
        return None
    if count % entry.width:
        return f'has {count} values for modality "{name}", metadata.json says {entry.width} a token'
    if count > entry.tokens.most * entry.width:
        return (
            f'has {count // entry.width} tokens for modality "{name}", metadata.json says {entry.tokens.most} at most'
        )
    times = np.array(example.features.feature[time_feature(name)].float_list.value, np.float32)
    if len(times) != (count // entry.width if entry.tokens.times else 0):
        return f'has {len(times)} times for {count // entry.width} tokens of modality "{name}"'
    if not np.isfinite(times).all() or (np.diff(times) < 0).any():
        return f'has times of modality "{name}" that are not finite or not in order'
    return None
