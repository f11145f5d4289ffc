"""Tensors in the JSON of the REST interface, as the server reads and writes them."""

import base64
import json
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from stand_in_version import RefusedError


def arrays_of_json(content: dict[str, Any], infos: Any) -> dict[str, np.ndarray]:
    """Arrays from the rows ("instances") or columns ("inputs") of a predict request."""
    if ("instances" in content) == ("inputs" in content):
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "Expecting one of 'inputs' and 'instances'.")
    if "instances" in content:
        rows = content["instances"]
        if not isinstance(rows, list) or not rows:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "Expecting 'instances' to be a list with values.")
        if isinstance(rows[0], dict) and set(rows[0]) != {"b64"}:
            if any(set(row) != set(infos) for row in rows):
                message = f"Failed to process 'instances': keys must be equal to: {list(infos)}"
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
            columns = {name: [row[name] for row in rows] for name in infos}
        else:
            columns = {next(iter(infos)): rows}
    else:
        columns = content["inputs"]
        if not isinstance(columns, dict) or set(columns) == {"b64"}:
            columns = {next(iter(infos)): columns}
    for name in infos:
        if name not in columns:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"Missing named input: {name} in 'inputs' object.")
    return {name: array_of_json(columns[name], infos[name]) for name in infos}


def array_of_json(value: Any, info: Any) -> np.ndarray:
    dtype = tf.dtypes.as_dtype(info.dtype)
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    flat: list[Any] = []
    fill(value, shape, dtype, flat)
    return np.array(flat, object if dtype == tf.string else dtype.as_numpy_dtype).reshape(shape)


def fill(value: Any, shape: list[int], dtype: tf.DType, flat: list[Any]) -> None:
    if isinstance(value, list) and shape and len(value) == shape[0]:
        for part in value:
            fill(part, shape[1:], dtype, flat)
        return
    is_bool = isinstance(value, bool)
    if shape or isinstance(value, list):
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "Encountered list at unexpected size or level.")
    if dtype == tf.string and isinstance(value, dict) and set(value) == {"b64"}:
        flat.append(base64.b64decode(value["b64"]))
    elif dtype == tf.string and isinstance(value, str):
        flat.append(value.encode())
    elif (
        (dtype == tf.bool and is_bool)
        or (dtype.is_integer and isinstance(value, int) and not is_bool)
        or (dtype.is_floating and isinstance(value, int | float) and not is_bool)
    ):
        flat.append(value)
    else:
        raise RefusedError(
            grpc.StatusCode.INVALID_ARGUMENT, f"JSON Value: {json.dumps(value)} is not of expected type: {dtype.name}"
        )


def json_of_outputs(outputs: dict[str, np.ndarray], in_rows: bool) -> dict[str, Any]:
    columns = {name: json_of_array(array.tolist(), name) for name, array in outputs.items()}
    if not in_rows:
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    if len({len(column) if isinstance(column, list) else -1 for column in columns.values()}) != 1:
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "Tensors have inconsistent batch sizes.")
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def json_of_array(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [json_of_array(part, name) for part in value]
    if not isinstance(value, bytes):
        return value
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode()}
    return value.decode("utf-8", "surrogateescape")
