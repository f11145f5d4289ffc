"""Batches of interactions: what a model may be given, and the errors for what it may not."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from tf_metammf.errors import InvalidInputError

Batch: TypeAlias = Mapping[str, Any]
"""``user`` and ``item``, int64 ``[B]``, and what else an objective or encoder takes, by name: ``weight``, float32
``[B]``, is how much each interaction counts."""

_EXPECTED = 'expected one dictionary with "user" and "item", integers [batch], such as {"user": users, "item": items}'


def pair_weights(batch: Batch, *, each: int | tf.Tensor = 1) -> tf.Tensor | None:
    """Weights of the losses of a batch; None where all interactions count the same.

    Args:
        batch: The batch.
        each: Losses of each interaction, one after the other.

    Returns:
        float32 ``[B each]``.
    """
    weights = batch.get("weight")
    if weights is None or (isinstance(each, int) and each == 1):
        return weights
    return tf.repeat(weights, each)


def batch_of(inputs: Any) -> dict[str, Any]:
    """The batch inside of what Keras hands to a step, ids as int64 and weights as float32.

    Raises:
        InvalidInputError: It is not a dictionary of ids, or labels or weights came along.
    """
    if isinstance(inputs, tuple):
        if any(part is not None for part in inputs[1:]) or not inputs:
            raise _labels()
        inputs = inputs[0]
    _check(inputs)
    ids = {name: tf.cast(inputs[name], tf.int64) for name in ("user", "item", "negative") if name in inputs}
    weights = {"weight": tf.cast(inputs["weight"], tf.float32)} if "weight" in inputs else {}
    return {**inputs, **ids, **weights}


def with_sample_weight(x: Any, sample_weight: Any) -> Any:
    """Data with ``sample_weight`` as the weights of their interactions.

    Args:
        x: What ``fit`` and ``evaluate`` are given.
        sample_weight: float ``[n]``; None leaves the data as they are.

    Raises:
        InvalidInputError: The data have weights of their own, or are no dictionary of arrays.
    """
    if sample_weight is None:
        return x
    if not isinstance(x, Mapping):
        raise InvalidInputError(
            f"sample_weight goes with a dictionary of arrays, but the data are {_kind(x)}. Give batches a "
            '"weight" instead.'
        )
    if "weight" in x:
        raise InvalidInputError('the data have "weight", and sample_weight is given as well. Give one of them.')
    return {**x, "weight": sample_weight}


def check_data(x: Any, y: Any = None, *, users: int, items: int, **others: Any) -> None:
    """Refuses data that no step could train on, before anything is compiled.

    Args:
        x: What ``fit`` and ``evaluate`` are given: a dictionary of arrays, or a dataset of batches. What shows
            its batches only when it runs is not looked at.
        y: Labels, of which there must be none.
        users: Number of users, for the ids of arrays.
        items: Number of items, likewise.
        **others: Weights of classes, of which there must be none.

    Raises:
        InvalidInputError: They are not batches of ids; the message says what was found.
    """
    if y is not None or any(value is not None for value in others.values()):
        raise _labels()
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        if isinstance(spec, tuple) and len(spec) != 1:
            raise _labels()
        _check(spec[0] if isinstance(spec, tuple) else spec)
    elif isinstance(x, Mapping) or x is None or isinstance(x, (list, tuple, np.ndarray, tf.Tensor)):
        _check(x)
        batch: Any = x
        for name, count in (("user", users), ("item", items)):
            ids = np.asarray(batch[name])
            if ids.size and not 0 <= ids.min() <= ids.max() < count:
                raise InvalidInputError(
                    f'"{name}" has ids from {ids.min()} to {ids.max()}, expected 0 to {count - 1}: the model has '
                    f"{count} {name}s."
                )
        if "weight" in batch:
            _check_weights(np.asarray(batch["weight"]), len(np.asarray(batch["user"])))


def as_arrays(x: Any) -> Any:
    """Data with lists of ids as arrays, which Keras asks for; everything else as it is."""
    if not isinstance(x, Mapping):
        return x
    return {name: np.asarray(values) if isinstance(values, (list, tuple)) else values for name, values in x.items()}


def static_rows(x: Any) -> int | None:
    """Rows of each batch of a dataset, where its specification says so; None elsewhere."""
    if not isinstance(x, tf.data.Dataset):
        return None
    spec = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
    rows: int | None = spec["item"].shape[0]
    return rows


def leaves_one_row(x: Any, batch_size: int) -> bool:
    """Whether batches of arrays end with one of a single row; False for data that are no arrays."""
    return isinstance(x, Mapping) and len(x["item"]) > 1 and len(x["item"]) % batch_size == 1


def _check(batch: Any) -> None:
    if not isinstance(batch, Mapping):
        raise InvalidInputError(f"the data are {_kind(batch)}, {_EXPECTED}.")
    for name in ("user", "item"):
        if name not in batch:
            raise InvalidInputError(f'the data have {_listed(batch)}, but no "{name}"; {_EXPECTED}.')
        values = batch[name] if hasattr(batch[name], "dtype") else np.asarray(batch[name])
        rank, dtype = tf.TensorShape(values.shape).rank, tf.as_dtype(values.dtype)
        if not dtype.is_integer or rank not in (None, 1):
            shape = "" if rank is None else f" of shape {tuple(values.shape)}"
            raise InvalidInputError(
                f'"{name}" is {dtype.name}{shape}, expected integers of shape [batch]: dense ids of {name}s, from 0.'
            )

    if "weight" in batch:
        weights = batch["weight"] if hasattr(batch["weight"], "dtype") else np.asarray(batch["weight"])
        rank, dtype = tf.TensorShape(weights.shape).rank, tf.as_dtype(weights.dtype)
        if not (dtype.is_integer or dtype.is_floating) or rank not in (None, 1):
            raise InvalidInputError(f'"weight" is {dtype.name} of rank {rank}, expected numbers of shape [batch].')


def _check_weights(weights: np.ndarray, rows: int) -> None:
    if len(weights) != rows:
        raise InvalidInputError(f'"weight" has {len(weights)} numbers, expected {rows}, one for each interaction.')
    unusable = ~((weights >= 0) & (weights < np.inf))
    if unusable.any():
        raise InvalidInputError(f'"weight" has {weights[unusable][0]}, expected finite numbers of at least 0.')
    if rows and not weights.any():
        raise InvalidInputError('"weight" is 0 for all interactions, so nothing could be learned.')


def _labels() -> InvalidInputError:
    return InvalidInputError(
        f"the data have labels or weights of classes, which the objective does not use; {_EXPECTED}, and no y or "
        'class_weight. Weights of interactions are sample_weight, or "weight" beside "user" and "item".'
    )


def _kind(data: Any) -> str:
    return f"a {type(data).__name__} of {len(data)}" if isinstance(data, (list, tuple)) else type(data).__name__


def _listed(batch: Mapping[Any, Any]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(map(str, batch))) or "nothing"
