"""Token sequences of new items as inputs of a request: padded to one length, with their lengths and times."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.modality_inputs import LENGTHS, TIMES
from tf_metammf.export.signatures import Signature
from tf_metammf.records.token_arrays import TokenArrays

LENGTH_STEP = 8
"""Requests are padded to a multiple of so many tokens, so that a server sees few lengths."""


def sequences_of(name: str, features: Any) -> TokenArrays:
    """The token sequences of new items, as a caller has them.

    Args:
        name: The modality, for messages.
        features: :class:`tf_metammf.records.TokenArrays`; a list with an array ``[T, width]`` for each item, None where
            it has none; an array ``[B, T, width]``; or vectors ``[B, width]``, which are sequences of one token, or of
            none if they have no values.

    Raises:
        InvalidInputError: They are something else, or widths differ.
    """
    if isinstance(features, TokenArrays):
        return features
    if isinstance(features, Sequence) and any(one is None or np.ndim(one) == 2 for one in features):
        try:
            arrays = [None if one is None else np.asarray(one, np.float32) for one in features]
            return TokenArrays.of(arrays)
        except (InvalidInputError, ValueError) as error:
            raise InvalidInputError(f'modality "{name}": {error}') from error
    values = np.asarray(features, np.float32)
    if values.ndim == 2:
        values = values[:, np.newaxis]
    if values.ndim != 3:
        raise InvalidInputError(
            f'modality "{name}" has features of shape {values.shape}, expected a list of arrays [tokens, width], one '
            "for each item, or [items, tokens, width]."
        )
    items, tokens, width = values.shape
    if not width:
        return no_sequences(items)
    return TokenArrays(values.reshape(-1, width), np.full(items, tokens))


def no_sequences(items: int) -> TokenArrays:
    """Items without tokens."""
    return TokenArrays(np.zeros((0, 0), np.float32), np.zeros(items, np.int64))


def sequence_inputs(
    name: str,
    sequences: TokenArrays,
    presence: NDArray[np.bool_] | None,
    *,
    items: int,
    signature: Signature,
    least_tokens: int = 0,
) -> dict[str, NDArray[Any]]:
    """Arrays by name of the input.

    Args:
        name: Name of the input that has the tokens.
        sequences: Token sequences of all items.
        presence: bool ``[B]``: items whose sequences count; None for all.
        items: Number of items.
        signature: What the inputs are for: times are left out where it does not take them.
        least_tokens: Tokens that sequences are padded to at least.

    Raises:
        InvalidInputError: There are sequences or presences of another number of items, or tokens of another width.
    """
    width = (signature.inputs[name].shape or (0,))[-1] or 0
    if len(sequences.values) and sequences.width != width:
        raise InvalidInputError(f"modality {name}: found tokens of {sequences.width} values, expected {width}.")
    present = np.ones(len(sequences), bool) if presence is None else presence
    if len(sequences) != items or present.shape != (items,):
        raise InvalidInputError(
            f"modality {name}: found {len(sequences)} sequences and presence {list(present.shape)}, expected both for "
            f"the same {items} items."
        )
    padded = -(-max(sequences.most, least_tokens, 1) // LENGTH_STEP) * LENGTH_STEP
    there = np.arange(padded) < sequences.lengths[:, np.newaxis]
    values = np.zeros((items, padded, width), np.float32)
    values[there] = sequences.values if len(sequences.values) else 0
    inputs: dict[str, NDArray[Any]] = {name: values, name + LENGTHS: np.where(present, sequences.lengths, 0)}
    if name + TIMES in signature.inputs:
        times = np.zeros((items, padded), np.float32)
        lengths = np.maximum(sequences.lengths, 1)[:, np.newaxis]
        times[there] = (
            (np.arange(padded) / lengths).astype(np.float32)[there] if sequences.times is None else sequences.times
        )
        inputs[name + TIMES] = times
    return inputs
