"""Pickles read without running what they ask for: containers, numbers, text and NumPy arrays.

A pickle is a program. It may import any name and call it. The unpickler here knows a short list
of names and hands out stand-ins for NumPy's, so that no function of NumPy ever sees
an argument that was not checked: arrays are rebuilt only from a type spelled as text ("f8",
"O"), a shape, and bytes (or, for objects, a list) of exactly the size these need.
"""

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.input_files import one_line, require_file

_ALLOWED = "dictionaries, lists, sets, tuples, numbers, text and NumPy arrays"

_PLAIN_KINDS = "biufcSU"


def load_object_array(path: Path) -> NDArray[Any]:
    """Loads a ``.npy`` file whose array may hold Python objects.

    Args:
        path: The file, as ``np.save`` writes it for a dictionary or a list of lists.

    Returns:
        The array; a dictionary is the one element of an array of shape ``[]``.

    Raises:
        InvalidInputError: The file is missing, empty, damaged or truncated, or asks for
            something other than containers, numbers, text and NumPy arrays.
    """
    require_file(path)
    with path.open("rb") as file:
        try:
            dtype = _read_header(file)
        except Exception as error:  # damaged headers raise whatever the parser of Python thinks of them
            raise InvalidInputError(
                f"{path}: is not a readable .npy file ({one_line(error)}). Write it again."
            ) from error
        if dtype.hasobject:
            content = restricted_load(file, str(path))
            if isinstance(content, np.ndarray):
                return content
            raise InvalidInputError(
                f"{path}: its pickle holds {type(content).__name__}, expected a NumPy array. Write it with np.save."
            )
    try:
        return np.load(path, allow_pickle=False)
    except Exception as error:  # damaged headers raise whatever the parser of Python thinks of them
        raise InvalidInputError(f"{path}: is not a readable .npy file ({one_line(error)}). Write it again.") from error


def restricted_load(file: IO[bytes], name: str) -> object:
    """Reads one pickle.

    Args:
        file: Where to read it from.
        name: What to call the file in messages.

    Returns:
        The object. NumPy arrays in it are of a subclass of ``np.ndarray``.

    Raises:
        InvalidInputError: The pickle is damaged or truncated, or asks for another class.
    """
    try:
        return _Unpickler(file, name).load()
    except InvalidInputError:
        raise
    except Exception as error:  # bytes made to harm, or damaged, raise whatever they run into
        raise InvalidInputError(
            f"{name}: is not a readable pickle ({type(error).__name__}: {one_line(error)}). Fetch or write it again."
        ) from error


def _read_header(file: IO[bytes]) -> np.dtype[Any]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)[2]
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)[2]
    raise ValueError(f"version {version} of the format, expected 1.0 or 2.0")


class _Unpickler(pickle.Unpickler):
    """Gives stand-ins for the few names it knows and refuses all others."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__(file)
        self._name = name

    def find_class(self, module: str, name: str) -> object:
        # NumPy has renamed its modules; files keep the names of the version that wrote them.
        package = module.replace("numpy._core", "numpy.core")
        stand_in = _STAND_INS.get((package, name))
        if stand_in is None:
            raise InvalidInputError(
                f"{self._name}: refers to {json.dumps(f'{module}.{name}')}, but only {_ALLOWED} are read from a "
                "pickle. Do not trust this file; ask for the data as plain arrays."
            )
        return stand_in()

    def persistent_load(self, identifier: object) -> NoReturn:
        raise InvalidInputError(
            f"{self._name}: refers to an object outside the file, but only {_ALLOWED} are read from a pickle. Do "
            "not trust this file; ask for the data as plain arrays."
        )


class _Dtype:
    """Stands in for a ``numpy.dtype`` that is being rebuilt."""

    __slots__ = ("dtype",)

    def __init__(self, descriptor: str) -> None:
        if not isinstance(descriptor, str) or "," in descriptor:
            raise ValueError("a NumPy type that is not spelled as one word")
        self.dtype = np.dtype(descriptor)
        if self.dtype.kind not in _PLAIN_KINDS + "O":
            raise ValueError(f"arrays of the NumPy type {descriptor}")

    def __setstate__(self, state: tuple[object, ...]) -> None:
        byte_order, subarray, names, fields = state[1:5]
        if (subarray, names, fields) != (None, None, None) or byte_order not in ("<", ">", "|", "="):
            raise ValueError("a NumPy type with fields")
        self.dtype = self.dtype.newbyteorder(byte_order)


class _Array(np.ndarray[Any, Any]):
    """An array whose state is checked before NumPy takes it."""

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, shape, stand_in, column_major, content = state
        if not isinstance(stand_in, _Dtype) or not isinstance(shape, tuple):
            raise ValueError("an array without type or shape")
        if not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"an array of shape {shape}")
        elements = math.prod(shape)
        if stand_in.dtype.hasobject:
            fits = type(content) is list and len(content) == elements
        else:
            fits = type(content) is bytes and len(content) == elements * stand_in.dtype.itemsize
        if not fits:
            raise ValueError(f"an array of shape {shape} whose content has another size")
        super().__setstate__((1, shape, stand_in.dtype, bool(column_major), content))  # type: ignore[arg-type]


# Stand-ins are objects without attributes that a pickle could change, made anew for every use.


class _ArrayType:
    """Stands in for ``numpy.ndarray``, which a pickle only hands on."""

    __slots__ = ()


class _NewDtype:
    """Stands in for ``numpy.dtype``."""

    __slots__ = ()

    def __call__(self, descriptor: str, align: bool = False, copy: bool = True) -> _Dtype:
        del align, copy
        return _Dtype(descriptor)


class _NewArray:
    """Stands in for NumPy's ``_reconstruct``: an empty array, filled afterwards."""

    __slots__ = ()

    def __call__(self, array_type: object, shape: object, type_code: object) -> _Array:
        del shape, type_code
        if not isinstance(array_type, _ArrayType):
            raise ValueError("an array of another class than numpy.ndarray")
        return _Array((0,), np.int8)


class _NewArrayFromBuffer:
    """Stands in for NumPy's ``_frombuffer``, the way of newer pickles to write arrays."""

    __slots__ = ()

    def __call__(self, content: object, dtype: object, shape: object, order: object) -> _Array:
        array = _Array((0,), np.int8)
        array.__setstate__(
            (1, shape, dtype, order == "F", bytes(content) if isinstance(content, bytearray) else content)
        )
        return array


class _NewScalar:
    """Stands in for NumPy's ``scalar``."""

    __slots__ = ()

    def __call__(self, dtype: object, content: object) -> np.generic:
        if not isinstance(dtype, _Dtype) or dtype.dtype.hasobject or type(content) is not bytes:
            raise ValueError("a NumPy number without type or bytes")
        if len(content) != dtype.dtype.itemsize:
            raise ValueError(f"a NumPy number of type {dtype.dtype} in {len(content)} bytes")
        return np.frombuffer(content, dtype.dtype)[0]


class _Encode:
    """Stands in for ``_codecs.encode``, by which old pickles carry bytes."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str) -> bytes:
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise ValueError("text in another encoding than latin1")
        return text.encode("latin1")


class _NewBytes:
    """Stands in for ``bytes``, by which old pickles carry no bytes at all."""

    __slots__ = ()

    def __call__(self) -> bytes:
        return b""


class _NewSet:
    """Stands in for ``set``."""

    __slots__ = ()

    def __call__(self, elements: list[object] | tuple[object, ...] = ()) -> set[object]:
        return set(elements)


class _NewFrozenSet:
    """Stands in for ``frozenset``."""

    __slots__ = ()

    def __call__(self, elements: list[object] | tuple[object, ...] = ()) -> frozenset[object]:
        return frozenset(elements)


class _NewComplex:
    """Stands in for ``complex``."""

    __slots__ = ()

    def __call__(self, real: float, imaginary: float) -> complex:
        return complex(real, imaginary)


_STAND_INS: dict[tuple[str, str], Callable[[], object]] = {
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): _NewDtype,
    ("numpy.core.multiarray", "_reconstruct"): _NewArray,
    ("numpy.core._multiarray_umath", "_reconstruct"): _NewArray,
    ("numpy.core.numeric", "_frombuffer"): _NewArrayFromBuffer,
    ("numpy.core.multiarray", "scalar"): _NewScalar,
    ("numpy.core._multiarray_umath", "scalar"): _NewScalar,
    ("_codecs", "encode"): _Encode,
    ("builtins", "bytes"): _NewBytes,
    ("__builtin__", "bytes"): _NewBytes,
    ("builtins", "set"): _NewSet,
    ("__builtin__", "set"): _NewSet,
    ("builtins", "frozenset"): _NewFrozenSet,
    ("__builtin__", "frozenset"): _NewFrozenSet,
    ("builtins", "complex"): _NewComplex,
    ("__builtin__", "complex"): _NewComplex,
}
