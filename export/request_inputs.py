"""Inputs of requests as arrays, from what a caller has, with the mistakes that can be told beforehand."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.export.modality_inputs import LENGTHS, PRESENT, input_name
from tf_metammf.export.sequence_inputs import no_sequences, sequence_inputs, sequences_of
from tf_metammf.export.signatures import Signature, TensorSpec

Arrays = dict[str, NDArray[Any]]


def arrays_of(name: str, signature: Signature, inputs: Mapping[str, ArrayLike]) -> Arrays:
    """Arrays of the types that a signature takes; text becomes ``bytes``.

    Args:
        name: Name of the signature, for messages.
        signature: What it takes.
        inputs: Values by name of the input.

    Raises:
        InvalidInputError: An input is unknown or missing, or has another type or rank.
    """
    for key in inputs:
        if key not in signature.inputs:
            raise unknown_name(f"input of {name}:", key, signature.inputs)
    for key, spec in signature.inputs.items():
        if key not in inputs:
            raise InvalidInputError(f'{name}: input "{key}" is missing, expected {spec}.')
    return {key: _array(f'{name}: input "{key}"', spec, inputs[key]) for key, spec in signature.inputs.items()}


def ids_of(name: str, ids: Sequence[str]) -> list[str]:
    """The ids, if they are a list of text.

    Raises:
        InvalidInputError: They are one text, or one of them is no UTF-8.
    """
    if isinstance(ids, str):
        raise InvalidInputError(f'{name} is the text "{ids}", expected a list of ids: ["{ids}"].')
    texts = [str(raw) for raw in ids]
    for raw in texts:
        try:
            raw.encode()
        except UnicodeEncodeError:
            raise InvalidInputError(f"{name} has {raw!r}, which is not UTF-8 text. Raw ids are UTF-8.") from None
    return texts


def rows_of_ids(name: str, rows: Sequence[Sequence[str]]) -> NDArray[np.object_]:
    """Lists of ids as one array ``[n, longest]``, padded with empty ids."""
    lists = [ids_of(name, row) for row in rows]
    longest = max((len(row) for row in lists), default=0)
    array = np.full((len(lists), longest), "", object)
    for padded, row in zip(array, lists, strict=True):
        padded[: len(row)] = row
    return array


def feature_inputs(
    signature: Signature,
    features: Mapping[str, Any],
    presence: Mapping[str, ArrayLike] | None,
    *,
    least_tokens: int = 0,
) -> Arrays:
    """Inputs for the features of new items, absent modalities included.

    Args:
        signature: The signature that takes them.
        features: By modality, float ``[B, width]``, or token sequences where the signature takes those: see
            :func:`tf_metammf.export.sequence_inputs.sequences_of`. A modality left out is absent.
        presence: bool ``[B]`` by modality; one left out is present wherever it has features.
        least_tokens: Tokens that sequences are padded to at least.

    Raises:
        InvalidInputError: A modality is unknown, features have another rank or are all left out, or numbers of items
            differ.
    """
    modalities = [name for name in signature.inputs if {name + PRESENT, name + LENGTHS} & set(signature.inputs)]
    given = {input_name(modality): values for modality, values in features.items()}
    masks = {input_name(modality): np.asarray(values, bool) for modality, values in (presence or {}).items()}
    for name in [*given, *masks]:
        if name not in modalities:
            raise unknown_name("modality", name, modalities)
    takes_tokens = {name for name in modalities if name + LENGTHS in signature.inputs}
    sequences = {name: sequences_of(name, values) for name, values in given.items() if name in takes_tokens}
    vectors = {name: _vectors(name, values) for name, values in given.items() if name not in takes_tokens}
    if not given:
        raise InvalidInputError(f"features is empty; expected at least one of {', '.join(modalities)}.")
    first = next(iter(given))
    items = len(sequences[first]) if first in takes_tokens else len(vectors[first])
    inputs: Arrays = {}
    for name in modalities:
        if name in takes_tokens:
            inputs |= sequence_inputs(
                name,
                sequences.get(name, no_sequences(items)),
                masks.get(name),
                items=items,
                signature=signature,
                least_tokens=least_tokens,
            )
            continue
        values = vectors.get(name, np.zeros((items, 0), np.float32))
        present = masks.get(name, np.full(len(values), values.shape[1] > 0))
        if len(values) != items or present.shape != (items,):
            raise InvalidInputError(
                f"modality {name}: found features {list(values.shape)} and presence {list(present.shape)}, expected "
                f"both for the same {items} items."
            )
        inputs[name], inputs[name + PRESENT] = values, present
    return inputs


def _vectors(name: str, features: ArrayLike) -> NDArray[np.float32]:
    values = np.asarray(features, np.float32)
    if values.ndim != 2:
        raise InvalidInputError(f'modality "{name}" has features of shape {values.shape}, expected [items, width].')
    return values


def _array(place: str, spec: TensorSpec, value: ArrayLike) -> NDArray[Any]:
    if spec.dtype == "string":
        array = _text(place, value)
    else:
        try:
            found = np.asarray(value)
        except ValueError:
            raise InvalidInputError(f"{place} has rows of different lengths, expected {spec}.") from None
        # An empty list has no type.
        if found.size > 0 and not np.can_cast(found.dtype, np.dtype(spec.dtype), "same_kind"):
            raise InvalidInputError(f"{place} has the type {found.dtype}, expected {spec}.")
        array = found.astype(spec.dtype)
        if found.dtype.kind in "iu" and not np.array_equal(array, found):
            raise InvalidInputError(f"{place} has numbers that {spec.dtype} cannot hold.")
    if spec.shape is not None and array.ndim != len(spec.shape):
        raise InvalidInputError(f"{place} has the shape {list(array.shape)}, expected {spec}.")
    return array


def _text(place: str, value: ArrayLike) -> NDArray[np.object_]:
    found = np.array(value, object)
    encoded = np.empty(found.shape, object)
    for position, text in np.ndenumerate(found):
        if not isinstance(text, str | bytes):
            raise InvalidInputError(f"{place} has {text!r}, expected text.")
        try:
            encoded[position] = text.encode() if isinstance(text, str) else text
        except UnicodeEncodeError:
            raise InvalidInputError(f"{place} has {text!r}, which is not UTF-8 text; give it as bytes.") from None
    return encoded
