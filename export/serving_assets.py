"""What a version has beside its graph: warm-up requests and a model card, both made by asking the written model."""

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.batch_sizes import ALLOWED_BATCH_SIZES
from tf_metammf.export.model_card import write_model_card
from tf_metammf.export.sample_requests import Inputs, SampleRequests
from tf_metammf.export.server_batching import Ask, can_be_merged
from tf_metammf.export.signatures import Signature, read_signatures
from tf_metammf.export.warmup import WarmupRequest, write_warmup
from tf_metammf.records.tensorflow_paths import taken_literally
from tf_metammf.trainer.runs.environment import describe_environment, resident_memory_bytes

TIMED_BATCH_SIZES = (1, 32)
TIMED_CALLS = 25


def write_serving_assets(
    version: Path, samples: SampleRequests, *, batching: bool, provenance: Mapping[str, Any]
) -> None:
    """Writes warm-up requests and the model card into a version that is not served yet.

    Every warm-up request is answered by the loaded model first: a server does not load a version
    of which one fails. A signature with an input that there is no sample for has none.

    Args:
        version: The SavedModel.
        samples: Ids and features of the record set.
        batching: Whether the server will batch. Signatures that cannot be batched have no
            warm-up requests then, because such a server would refuse them.
        provenance: What is known of the run and its data, as JSON, for the model card.

    Raises:
        InvalidInputError: The model fails.
    """
    before, started = resident_memory_bytes(), time.perf_counter()
    with taken_literally(version) as literal:
        loaded = tf.saved_model.load(str(literal))
    seconds = time.perf_counter() - started
    signatures = read_signatures(version)

    def ask(name: str, inputs: Inputs) -> dict[str, NDArray[Any]]:
        tensors = {key: tf.constant(values) for key, values in inputs.items()}
        return {key: output.numpy() for key, output in loaded.signatures[name](**tensors).items()}

    sampled = {name: signature for name, signature in signatures.items() if samples.has(signature)}
    try:
        mergeable = {name: can_be_merged(ask, name, signature, samples) for name, signature in sampled.items()}
        requests = [
            WarmupRequest(name, rows, samples.inputs(signature, rows))
            for name, signature in sampled.items()
            if mergeable[name] or not batching
            for rows in ALLOWED_BATCH_SIZES
        ]
        for request in requests:
            ask(request.signature, request.inputs)
        latency = [_latency(ask, signatures["serving_default"], samples, rows) for rows in TIMED_BATCH_SIZES]
    except tf.errors.OpError as error:
        raise InvalidInputError(f"{version}: fails when queried ({' '.join(error.message.split())}).") from error
    write_warmup(version, requests)
    after = resident_memory_bytes()
    resources = {
        "bytes": sum(path.stat().st_size for path in version.rglob("*") if path.is_file()),
        "seconds_to_load": seconds,
        # Pages that the process had and did not use are not counted, so this may be too little, never too much.
        "memory_bytes": None if before is None or after is None else max(0, after - before),
    }
    speed = {"signature": "serving_default", "measured": latency, "environment": describe_environment()}
    measured = {"resources": resources, "latency": speed}
    write_model_card(version, signatures, mergeable=mergeable, measured=measured, provenance=provenance)


def _latency(ask: Ask, signature: Signature, samples: SampleRequests, rows: int) -> dict[str, float]:
    """Milliseconds of ``serving_default`` in this process, on this machine, after the warm-up."""
    inputs = samples.inputs(signature, rows)
    milliseconds = []
    for _ in range(TIMED_CALLS):
        started = time.perf_counter()
        ask("serving_default", inputs)
        milliseconds.append(1e3 * (time.perf_counter() - started))
    return {
        "batch_size": rows,
        "calls": TIMED_CALLS,
        "median_ms": median(milliseconds),
        "maximum_ms": max(milliseconds),
    }
