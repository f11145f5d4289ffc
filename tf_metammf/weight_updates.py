"""How a training step changes the weights of a model."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.gradient_norms import gradient_norm
from tf_metammf.layers.replicas import replica_count

Gradients = list[tuple[Any, tf.Variable]]
"""Pairs of a gradient, None where it does not matter to the loss, and its weight."""


class JointUpdates:
    """Changes all weights that are trained, once a step, with loss scaling.

    Attributes:
        optimizers: Optimisers beside that of the model, by what they are for.
    """

    def __init__(self) -> None:
        self.optimizers: dict[str, keras.optimizers.Optimizer] = {}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch that are measured beside the loss."""
        return []

    def step(self, model: Any, loss: Callable[[], tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Changes the weights.

        Args:
            model: A compiled :class:`tf_metammf.retrieval_model.RetrievalModel`.
            loss: The loss of the batch.

        Returns:
            The loss before the step, and what is logged beside it.
        """
        value, pairs = gradients_of(model, loss, model.trainable_variables)
        return value, apply_gradients(model, pairs)


def gradients_of(
    model: Any, loss: Callable[[], tf.Tensor], weights: Sequence[tf.Variable]
) -> tuple[tf.Tensor, Gradients]:
    """The loss of a batch, and its gradients for some weights, without loss scaling.

    Args:
        model: A compiled model.
        loss: The loss of the batch.
        weights: The weights.
    """
    scaled = _scales(model)
    with tf.GradientTape() as tape:
        value = loss()
        minimised = model.optimizer.get_scaled_loss(value) if scaled else value
    gradients = tape.gradient(minimised, weights)
    if scaled:
        gradients = model.optimizer.get_unscaled_gradients(gradients)
    return value, list(zip(gradients, weights, strict=True))


def apply_gradients(model: Any, pairs: Gradients) -> dict[str, tf.Tensor]:
    """Changes weights by the optimiser of a model; returns the norm of the gradients, where it is logged.

    Args:
        model: A compiled model.
        pairs: Gradients and weights.
    """
    optimizer = model.optimizer
    if model.logs_gradient_norm and replica_count() > 1:
        # A replica has the gradient of its part; the norm is that of their sum, which the optimiser needs, too.
        pairs = (optimizer.inner_optimizer if _scales(model) else optimizer).aggregate_gradients(pairs)
        optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)
    else:
        optimizer.apply_gradients(pairs)
    if not model.logs_gradient_norm:
        return {}
    # Keras adds up what the replicas log.
    return {"gradient_norm": gradient_norm([gradient for gradient, _ in pairs]) / replica_count()}


def _scales(model: Any) -> bool:
    return isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)
