"""A version that the stand-in has loaded, and the refusals of requests to it."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2


class RefusedError(Exception):
    """A request that ends with a status other than OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Version:
    """A loaded version: a session, and what its signatures take and return."""

    def __init__(self, folder: Path) -> None:
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder))
        self.definitions = loaded.signature_def
        self._warm_up(folder / "assets.extra" / "tf_serving_warmup_requests")

    def __del__(self) -> None:
        # The last request that is under way holds the last reference.
        self.session.close()

    def definition(self, name: str, missing: grpc.StatusCode) -> Any:
        if (name or "serving_default") not in self.definitions:
            raise RefusedError(missing, f'Serving signature key "{name}" not found.')
        return self.definitions[name or "serving_default"]

    def run(self, definition: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if set(inputs) != set(definition.inputs):
            missing, extra = sorted(set(definition.inputs) - set(inputs)), sorted(set(inputs) - set(definition.inputs))
            raise RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"input size does not match signature. Sent extra: {extra}. Missing but required: {missing}.",
            )
        for name, array in inputs.items():
            expected = tf.dtypes.as_dtype(definition.inputs[name].dtype)
            if tf.dtypes.as_dtype(array.dtype if array.dtype != object else np.dtype("S")) != expected:
                message = f"Expects {name} to be {expected.name} but {array.dtype} is given."
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
        feeds = {definition.inputs[name].name: array for name, array in inputs.items()}
        fetches = {name: info.name for name, info in definition.outputs.items()}
        try:
            return self.session.run(fetches, feeds)
        except tf.errors.OpError as error:
            raise RefusedError(code_of(error), error.message) from None
        except ValueError as error:  # the session's Python side looks at ranks before it runs
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None

    def _warm_up(self, file: Path) -> None:
        if file.is_file():
            for record in tf.compat.v1.io.tf_record_iterator(str(file)):
                request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
                definition = self.definition(request.model_spec.signature_name, grpc.StatusCode.FAILED_PRECONDITION)
                self.run(definition, {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()})


def code_of(error: tf.errors.OpError) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == error.error_code)
