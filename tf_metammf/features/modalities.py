"""Modalities of a batch: their features side by side, and which of them are present.

Features are a dictionary of float ``[B, width]`` by modality name and presence one of bool
``[B]``, True where the item has the modality. Wherever modalities stand in an order, it is
the alphabetical order of their names.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.features.token_features import ModalityFeatures
from tf_metammf.records.token_sequences import TokenSequences

Features: TypeAlias = Mapping[str, tf.Tensor] | tf.Tensor
"""Features by modality, or one tensor ``[B, F]`` of modalities already side by side."""

Presence: TypeAlias = Mapping[str, tf.Tensor]
"""Presence by modality."""


def side_by_side(features: Features) -> tf.Tensor:
    """Features ``[B, F]``, modalities in alphabetical order; a tensor is returned as it is."""
    if not isinstance(features, Mapping):
        return features
    return tf.concat([features[name] for name in sorted(features)], axis=-1)


def lacking(presence: Presence, modality: str | None) -> Presence:
    """Presence by modality, False everywhere for one of them; None is for none.

    Raises:
        InvalidInputError: There is no such modality.
    """
    if modality is None:
        return presence
    if modality not in presence:
        raise unknown_name("modality", modality, presence)
    return {**presence, modality: tf.zeros_like(presence[modality])}


def scope_name(modality: str) -> str:
    """The name of a modality as far as TensorFlow takes it for a part of the name of a weight.

    Letters of ASCII, digits and, behind the first character, ``_`` and ``-`` stay as they are. Any other character
    becomes its code point in hexadecimal digits between dots, so that different modalities have different names:
    ``图 1`` is ``.56fe..20.1``.
    """
    return re.sub(r"^[_-]|[^A-Za-z0-9_-]", lambda found: f".{ord(found[0]):x}.", modality) or "."


def presence_matrix(presence: Presence, modalities: Sequence[str]) -> tf.Tensor:
    """Presence as one tensor.

    Args:
        presence: bool ``[B]`` by modality.
        modalities: All modalities, in alphabetical order.

    Returns:
        bool ``[B, M]``.

    Raises:
        InvalidInputError: ``presence`` lacks a modality or has one too many.
    """
    if not isinstance(presence, Mapping):
        raise InvalidInputError(
            f"the mask is {type(presence).__name__}, expected a dictionary of bool [batch] by modality name."
        )
    if set(presence) != set(modalities):
        raise InvalidInputError(
            f"the mask has the modalities {', '.join(sorted(presence)) or 'none'}; expected those the layer was built "
            f"with: {', '.join(modalities) or 'none, only one tensor of features; build it with a dictionary'}."
        )
    return tf.stack([tf.cast(presence[name], tf.bool) for name in modalities], axis=-1)


def feature_widths(layer: str, input_shape: Any) -> dict[str, int]:
    """Width by modality, in alphabetical order, of the shapes a layer is built with.

    Raises:
        InvalidInputError: A modality is neither ``[batch, width]`` nor token sequences ``[batch, tokens, width]`` with
            a known width, or there is none.
    """
    if not input_shape:
        raise InvalidInputError(f"{layer}: the features are empty, expected at least one modality.")
    return {name: feature_width(layer, f'modality "{name}"', input_shape[name]) for name in sorted(input_shape)}


def feature_width(layer: str, what: str, shape: Any) -> int:
    """The last dimension of ``[batch, width]``, or of the values of token sequences.

    Raises:
        InvalidInputError: The shape is of another rank, or the width is not known.
    """
    is_sequences = isinstance(shape, TokenSequences)
    try:
        shape = tf.TensorShape(shape.values if is_sequences else shape)
    except TypeError:
        raise InvalidInputError(
            f"{layer}: {what} is {len(shape)} tensors, expected one of [batch, width] or a dictionary of them by "
            "modality name."
        ) from None
    if shape.rank != (3 if is_sequences else 2) or shape[-1] is None:
        expected = "[batch, tokens, width]" if is_sequences else "[batch, width]"
        raise InvalidInputError(f"{layer}: {what} has shape {shape}, expected {expected} with a known width.")
    return int(shape[-1])


def check_features(layer: str, features: Mapping[str, ModalityFeatures], expected: Mapping[str, int]) -> None:
    """Checks that features have the modalities and widths that a layer was built with.

    Raises:
        InvalidInputError: They have not; both are listed.
    """
    found = feature_widths(layer, {name: _shapes(values) for name, values in features.items()})
    if found != expected:
        raise InvalidInputError(
            f"{layer}: the features are {_listed(found)}; expected {_listed(expected)}, as it was built."
        )


def _shapes(features: ModalityFeatures) -> Any:
    if isinstance(features, TokenSequences):
        return TokenSequences(*(part.shape for part in features))
    return features.shape


def _listed(widths: Mapping[str, int]) -> str:
    return ", ".join(f'"{name}" of width {width}' for name, width in widths.items())
