"""What the signatures of a SavedModel take and return, read from the model or from a server's metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tf_metammf.export.versions import GRAPH_FILE

DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
"""TensorFlow's names of types by their numbers in messages, but for those that no signature has."""


@dataclass(frozen=True)
class TensorSpec:
    """Type and shape of an input or output.

    Attributes:
        dtype: TensorFlow's name of the type: ``"string"``, ``"float32"``, …
        shape: Sizes, None for one that is free; None if even the rank is.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def numpy_dtype(self) -> DTypeLike:
        """The type as NumPy has it; text is ``object``."""
        return object if self.dtype == "string" else np.dtype(self.dtype)

    def __str__(self) -> str:
        sizes = None if self.shape is None else ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype} [{'...' if sizes is None else sizes}]"


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a signature by name, in alphabetical order."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


def read_signatures(version: Path) -> dict[str, Signature]:
    """Signatures by name of a SavedModel on disk, which is not loaded for it."""
    from tensorflow.core.protobuf import saved_model_pb2

    graph = saved_model_pb2.SavedModel.FromString((version / GRAPH_FILE).read_bytes())
    return signatures_of_definitions(graph.meta_graphs[0].signature_def)


def signatures_of_definitions(definitions: Mapping[str, Any]) -> dict[str, Signature]:
    """Signatures by name from ``SignatureDef`` messages."""
    return {
        name: Signature(
            {key: _of_message(definition.inputs[key]) for key in sorted(definition.inputs)},
            {key: _of_message(definition.outputs[key]) for key in sorted(definition.outputs)},
        )
        for name, definition in sorted(definitions.items())
        if not _is_internal(name)
    }


def signatures_of_json(definitions: Mapping[str, Any]) -> dict[str, Signature]:
    """Signatures by name from ``SignatureDef`` messages in the JSON of a server's metadata."""
    return {
        name: Signature(
            {key: _of_json(info) for key, info in sorted(definition.get("inputs", {}).items())},
            {key: _of_json(info) for key, info in sorted(definition.get("outputs", {}).items())},
        )
        for name, definition in sorted(definitions.items())
        if not _is_internal(name)
    }


def _is_internal(name: str) -> bool:
    # TensorFlow's own, for initialisation, is called __saved_model_init_op.
    return name.startswith("__")


def _of_message(info: Any) -> TensorSpec:
    shape = info.tensor_shape
    return _spec(
        DTYPES.get(info.dtype, f"type {info.dtype}"), None if shape.unknown_rank else [dim.size for dim in shape.dim]
    )


def _of_json(info: Mapping[str, Any]) -> TensorSpec:
    shape = info.get("tensor_shape", {})
    sizes = None if shape.get("unknown_rank") else [int(dim["size"]) for dim in shape.get("dim", [])]
    name = str(info["dtype"]).removeprefix("DT_").lower()
    return _spec({"float": "float32", "double": "float64", "half": "float16"}.get(name, name), sizes)


def _spec(dtype: str, sizes: list[int] | None) -> TensorSpec:
    return TensorSpec(dtype, None if sizes is None else tuple(None if size < 0 else size for size in sizes))
