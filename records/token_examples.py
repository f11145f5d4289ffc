"""Features of one modality in item Examples, parsed in batches: vectors or token sequences, of 32 or 16 bits.

A modality ``NAME`` is a float list of ``T * width`` values, token after token, or one text of as many little-endian
values of 16 bits. ``NAME/time`` is a float list of ``T`` seconds. An item that lacks the modality has none of them.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.records.modality_entry import ModalityEntry
from tf_metammf.records.token_sequences import TokenSequences, padded_length, relative_times

_HALF_BYTES = 2


def time_feature(modality: str) -> str:
    """The feature of an Example that has the times of tokens; no modality has a slash in its name."""
    return f"{modality}/time"


def modality_schema(name: str, entry: ModalityEntry) -> dict[str, Any]:
    """How the features of a modality are parsed, by the feature of an Example."""
    schema = {name: _values_feature(entry)}
    if entry.tokens is not None and entry.tokens.times:
        schema[time_feature(name)] = tf.io.RaggedFeature(tf.float32)
    return schema


def _values_feature(entry: ModalityEntry) -> Any:
    if entry.stored_dtype == "float16":
        return tf.io.FixedLenFeature([], tf.string, default_value="")
    return tf.io.RaggedFeature(tf.float32)


def value_counts(parsed: Mapping[str, Any], name: str, entry: ModalityEntry) -> tuple[tf.Tensor, tf.Tensor]:
    """Values that each item has, int64 ``[B]``, and whether each is as ``metadata.json`` says, bool ``[B]``."""
    if entry.stored_dtype == "float16":
        size = tf.cast(tf.strings.length(parsed[name]), tf.int64)
        counts, whole = size // _HALF_BYTES, size % _HALF_BYTES == 0
    else:
        counts = tf.cast(parsed[name].row_lengths(), tf.int64)
        whole = tf.ones_like(counts, tf.bool)
    if entry.tokens is None:
        return counts, whole & ((counts == 0) | (counts == entry.width))
    whole &= (counts % entry.width == 0) & (counts <= entry.tokens.most * entry.width)
    if entry.tokens.times:
        times = tf.cast(parsed[time_feature(name)].row_lengths(), tf.int64)
        whole &= times * entry.width == counts
    return counts, whole


def vectors(parsed: Mapping[str, Any], name: str, entry: ModalityEntry) -> tf.Tensor:
    """Features float32 ``[B, width]`` of a modality with one vector an item, zeros where absent."""
    if entry.stored_dtype == "float16":
        return _halves(parsed[name], entry.width)
    return parsed[name].to_tensor(shape=[None, entry.width])


def sequences(parsed: Mapping[str, Any], name: str, entry: ModalityEntry, counts: tf.Tensor) -> TokenSequences:
    """Token sequences of a modality that has them.

    Args:
        parsed: What :func:`modality_schema` parsed.
        name: The modality.
        entry: What ``metadata.json`` says of it.
        counts: The first of :func:`value_counts`, where all items are as they have to be.
    """
    assert entry.tokens is not None
    lengths = counts // entry.width
    padded = padded_length(lengths, entry.tokens.most)
    if entry.stored_dtype == "float16":
        flat = _halves(parsed[name], padded * entry.width)
    else:
        flat = _to_width(parsed[name], padded * entry.width)
    values = tf.ensure_shape(
        tf.reshape(flat, [-1, padded, tf.constant(entry.width, tf.int64)]), [None, None, entry.width]
    )
    if entry.tokens.times:
        return TokenSequences(values, lengths, _to_width(parsed[time_feature(name)], padded))
    return TokenSequences(values, lengths, relative_times(lengths, padded))


def _halves(texts: tf.Tensor, width: Any) -> tf.Tensor:
    """Values of 16 bits as float32 ``[B, width]``, with zeros behind those that are there."""
    size = tf.cast(width, tf.int32) * _HALF_BYTES
    # The operation has no kernel for float16 itself.
    bits = tf.io.decode_raw(texts, tf.uint16, little_endian=True, fixed_length=size)
    values = tf.cast(tf.bitcast(bits, tf.float16), tf.float32)
    return tf.ensure_shape(values, [None, width]) if isinstance(width, int) else values


def _to_width(ragged: tf.RaggedTensor, width: tf.Tensor) -> tf.Tensor:
    dense = ragged.to_tensor()
    missing = width - tf.shape(dense, tf.int64)[1]
    return tf.pad(dense, tf.stack([tf.zeros([2], tf.int64), tf.stack([tf.zeros([], tf.int64), missing])]))
