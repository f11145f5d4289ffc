"""Server-side batching: which requests a server may merge, and into which sizes.

With ``--enable_batching`` TensorFlow Serving concatenates the inputs of requests to one signature
along dimension 0, runs the graph once and cuts every output along its dimension 0. A request with an
input that has no dimension 0, or inputs of different sizes there, it refuses with
``INVALID_ARGUMENT``, whether or not there is another to merge it with.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.export.sample_requests import Inputs, SampleRequests
from tf_metammf.export.signatures import Signature

Ask = Callable[[str, Inputs], dict[str, NDArray[Any]]]
"""Outputs by name, of a signature by name and its inputs by name."""


def can_be_merged(ask: Ask, name: str, signature: Signature, samples: SampleRequests) -> bool:
    """Whether two requests get, merged into one, what they get one by one.

    Shapes alone do not tell: users and new items are both ``[?]`` in a signature that takes both.
    So the model is asked.

    Args:
        ask: Asks the model.
        name: Name of the signature.
        signature: Its inputs and outputs.
        samples: Where the requests come from.
    """
    if any(spec.shape is None or not spec.shape for spec in signature.inputs.values()):
        return False
    requests = [samples.inputs(signature, rows, seed=rows) for rows in (1, 2)]
    merged = ask(name, {key: np.concatenate([request[key] for request in requests]) for key in signature.inputs})
    answers = [ask(name, request) for request in requests]
    return all(_is_merged(output, [answer[key] for answer in answers]) for key, output in merged.items())


def _is_merged(output: NDArray[Any], parts: list[NDArray[Any]]) -> bool:
    if output.ndim == 0 or any(part.shape[1:] != output.shape[1:] for part in parts):
        return False
    together = np.concatenate(parts)
    if together.shape != output.shape:
        return False
    # Text is not compared: rounding may order items of all but equal scores differently.
    return output.dtype.kind != "f" or np.allclose(output, together, rtol=1e-3, atol=1e-3, equal_nan=True)
