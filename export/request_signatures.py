"""The signatures that models and baselines share, so that a client need not know which of them answers."""

from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

Outputs = dict[str, tf.Tensor]

USER_ID = {"user_id": tf.TensorSpec([None], tf.string)}
ITEM_ID = {"item_id": tf.TensorSpec([None], tf.string)}
PLACES = {"k": tf.TensorSpec([], tf.int32)}
EXCLUSIONS = {
    "exclude_item_id": tf.TensorSpec([None, None], tf.string),
    "exclude_seen": tf.TensorSpec([], tf.bool),
}
HISTORY = {"history_item_id": tf.TensorSpec([None, None], tf.string)}


class Answering(Protocol):
    """A module that answers the requests of the shared signatures."""

    recommend_unseen: Callable[..., Outputs]
    recommend: Callable[..., Outputs]
    recommend_for_history: Callable[..., Outputs]
    score: Callable[..., Outputs]


def request_signatures(module: Answering) -> dict[str, Any]:
    """Concrete functions of ``serving_default``, ``recommend``, ``recommend_for_history`` and ``score``."""
    return {
        "serving_default": trace(module.recommend_unseen, USER_ID),
        "recommend": trace(module.recommend, USER_ID | PLACES | EXCLUSIONS),
        "recommend_for_history": trace(module.recommend_for_history, HISTORY | PLACES),
        "score": trace(module.score, USER_ID | ITEM_ID),
    }


def trace(function: Callable[..., Outputs], inputs: dict[str, tf.TensorSpec]) -> Any:
    """The concrete function of a signature, with its inputs by name.

    It is traced as it is written: rewriting all signatures with AutoGraph took longer than tracing them.
    """
    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in inputs.items()}
    return tf.function(function, autograph=False).get_concrete_function(**named)
