"""What can be wrong with one record that can be read: it does not fit ``metadata.json``."""

import numpy as np
import tensorflow as tf

from tf_metammf.records.examples import interaction_columns
from tf_metammf.records.metadata import Metadata


def block_problem(example: tf.train.Example, metadata: Metadata) -> str | None:
    """What is wrong with a block of interactions, as the end of a sentence about the record; None if nothing is."""
    columns = {
        name: np.array(example.features.feature[name].int64_list.value, np.int64)
        for name in interaction_columns(metadata)
    }
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        return f"has lists of different lengths: {', '.join(f'{name} {length}' for name, length in lengths.items())}"
    for name, count in (("user", metadata.users), ("item", metadata.items)):
        outside = columns[name][(columns[name] < 0) | (columns[name] >= count)]
        if len(outside):
            return f"has the {name} {outside[0]}, expected 0 to {count - 1}"
    return None


def item_problem(example: tf.train.Example, metadata: Metadata) -> str | None:
    """What is wrong with an item, as the end of a sentence about the record; None if nothing is."""
    ids = example.features.feature["item"].int64_list.value
    if len(ids) != 1 or not 0 <= ids[0] < metadata.items:
        return f"has the item {list(ids)}, expected one from 0 to {metadata.items - 1}"
    for name, modality in metadata.modalities.items():
        width = len(example.features.feature[name].float_list.value)
        if width not in (0, modality.width):
            return f'has {width} values for modality "{name}", metadata.json says {modality.width}'
    return None
