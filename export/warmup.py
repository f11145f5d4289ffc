"""Warm-up requests, which a server runs when it loads a version and before it answers any request."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from tf_metammf.export.sample_requests import Inputs

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
"""Where TensorFlow Serving looks for them inside a version."""

MAX_RECORDS = 1000
"""A server refuses to load a version that has more."""


@dataclass(frozen=True)
class WarmupRequest:
    """A request to a signature.

    Attributes:
        signature: Name of the signature.
        rows: Users, items or pairs of them.
        inputs: Arrays by name of the input.
    """

    signature: str
    rows: int
    inputs: Inputs


def write_warmup(version: Path, requests: Sequence[WarmupRequest]) -> None:
    """Writes the requests as a TFRecord file of ``PredictionLog`` messages.

    Args:
        version: The SavedModel.
        requests: At most :data:`MAX_RECORDS`.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    if len(requests) > MAX_RECORDS:
        raise ValueError(f"{len(requests)} warm-up requests, expected at most {MAX_RECORDS}.")
    file = version / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for request in requests:
            message = predict_pb2.PredictRequest()
            message.model_spec.signature_name = request.signature
            for name, values in request.inputs.items():
                message.inputs[name].CopyFrom(tf.make_tensor_proto(values, shape=values.shape))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=message))
            writer.write(log.SerializeToString())
