"""NumPy arrays as TensorFlow's tensor messages, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.export.serving_messages import Tensor
from tf_metammf.export.signatures import DTYPES

_NUMBERS = {name: number for number, name in DTYPES.items()}

_LISTS = {
    "float32": "float_val",
    "float64": "double_val",
    "int8": "int_val",
    "int16": "int_val",
    "int32": "int_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "float16": "half_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
}
"""Field of the values of a type, where they do not come as bytes."""


def message_of(values: NDArray[Any]) -> Any:
    """The message for an array; text is an array of ``bytes`` objects."""
    dtype = "string" if values.dtype == object else values.dtype.name
    message = Tensor(dtype=_NUMBERS[dtype])
    for size in values.shape:
        message.tensor_shape.dim.add(size=size)
    if dtype == "string":
        message.string_val.extend(values.ravel().tolist())
    else:
        message.tensor_content = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return message


def array_of(message: Any) -> NDArray[Any]:
    """The array in a message; text as ``bytes`` objects.

    Raises:
        ValueError: The type is not one of NumPy, or there are not as many values as the shape has.
    """
    dtype = DTYPES.get(message.dtype, f"type {message.dtype}")
    shape = [dim.size for dim in message.tensor_shape.dim]
    size = int(np.prod(shape, dtype=np.int64))
    if dtype == "string":
        values = np.empty(len(message.string_val), object)
        values[:] = list(message.string_val)
    elif dtype not in _LISTS:
        raise ValueError(f"a tensor of {dtype} has no form in NumPy")
    elif message.tensor_content:
        kind = np.dtype(dtype)
        values = np.frombuffer(message.tensor_content, kind.newbyteorder("<")).astype(kind)
    else:
        values = _of_list(np.array(getattr(message, _LISTS[dtype])), dtype)
    if 0 < len(values) < size:
        # The last value stands for all that are left out.
        values = np.concatenate([values, np.repeat(values[-1:], size - len(values))])
    if len(values) != size:
        raise ValueError(f"a tensor of shape {shape} has {len(values)} values")
    return values.reshape(shape)


def _of_list(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    if dtype == "float16":
        return values.astype(np.uint16).view(np.float16)  # the bits of the number
    if dtype.startswith("complex"):
        return (values[0::2] + 1j * values[1::2]).astype(dtype)
    return values.astype(dtype)
