"""Tensors in the JSON of TensorFlow Serving's REST interface.

Numbers are plain, ``NaN``, ``Infinity`` and ``-Infinity`` among them, which JSON proper does not have but
both sides here know. Text goes as text, and bytes that are no UTF-8 as ``{"b64": ...}``. In answers the
server writes text byte by byte as it is, UTF-8 or not, and outputs whose name ends in ``_bytes`` in base64.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.signatures import Signature, TensorSpec


def request_body(signature_name: str, inputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Body of a predict request in columns: the form that takes inputs without a common batch dimension.

    Args:
        signature_name: Name of the signature.
        inputs: Arrays by name; text as ``bytes`` objects.

    Raises:
        InvalidInputError: An array is empty in such a way that lists do not tell its shape.
    """
    for name, values in inputs.items():
        if 0 in values.shape[:-1]:
            raise InvalidInputError(
                f'{signature_name}: input "{name}" has the shape {list(values.shape)}, which JSON cannot express. '
                "Send at least one row, or use grpc://."
            )
    columns = {
        name: _json_text(values.tolist()) if values.dtype == object else values.tolist()
        for name, values in inputs.items()
    }
    return json.dumps({"signature_name": signature_name, "inputs": columns}).encode()


def outputs_of_body(body: bytes, signature: Signature) -> dict[str, NDArray[Any]]:
    """Outputs by name from the body of an answer.

    Args:
        body: As the server sent it.
        signature: The outputs that the signature has.

    Raises:
        ValueError: The body is no JSON of these outputs.
    """
    outputs = json.loads(body.decode("utf-8", "surrogateescape"))["outputs"]
    if len(signature.outputs) == 1:
        # Then the server leaves the name out.
        outputs = {next(iter(signature.outputs)): outputs}
    if not isinstance(outputs, dict) or set(outputs) != set(signature.outputs):
        raise ValueError(f"expected the outputs {', '.join(signature.outputs)}")
    return {name: _array(outputs[name], spec) for name, spec in signature.outputs.items()}


def _json_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_text(part) for part in value]
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _array(value: Any, spec: TensorSpec) -> NDArray[Any]:
    array = np.array(_bytes(value) if spec.dtype == "string" else value, spec.numpy_dtype)
    if array.size == 0 and spec.shape is not None and array.ndim < len(spec.shape):
        # An empty list does not tell what its rows would have been.
        array = array.reshape([0, *(size or 0 for size in spec.shape[1:])])
    return array


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(part) for part in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode("utf-8", "surrogateescape")
