"""Batches of interactions: what a model may be given, and the errors for what it may not."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from tf_metammf.errors import InvalidInputError

Batch: TypeAlias = Mapping[str, Any]
"""``user`` and ``item``, int64 ``[B]``, and what else an objective or encoder takes, by name."""

_EXPECTED = 'expected one dictionary with "user" and "item", integers [batch], such as {"user": users, "item": items}'


def batch_of(inputs: Any) -> dict[str, Any]:
    """The batch inside of what Keras hands to a step, ids as int64.

    Raises:
        InvalidInputError: It is not a dictionary of ids, or labels or weights came along.
    """
    if isinstance(inputs, tuple):
        if any(part is not None for part in inputs[1:]) or not inputs:
            raise _labels()
        inputs = inputs[0]
    _check(inputs)
    ids = {name: tf.cast(inputs[name], tf.int64) for name in ("user", "item", "negative") if name in inputs}
    return {**inputs, **ids}


def check_data(x: Any, y: Any = None, *, users: int, items: int, **others: Any) -> None:
    """Refuses data that no step could train on, before anything is compiled.

    Args:
        x: What ``fit`` and ``evaluate`` are given: a dictionary of arrays, or a dataset of batches. What shows
            its batches only when it runs is not looked at.
        y: Labels, of which there must be none.
        users: Number of users, for the ids of arrays.
        items: Number of items, likewise.
        **others: Weights of samples or classes, of which there must be none.

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


def _labels() -> InvalidInputError:
    return InvalidInputError(
        f"the data have labels or weights, which the objective does not use; {_EXPECTED}, and no y, sample_weight or "
        "class_weight."
    )


def _kind(data: Any) -> str:
    return f"a {type(data).__name__} of {len(data)}" if isinstance(data, (list, tuple)) else type(data).__name__


def _listed(batch: Mapping[Any, Any]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(map(str, batch))) or "nothing"
