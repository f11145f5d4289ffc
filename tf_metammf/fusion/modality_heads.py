"""A linear map of each modality beside a fusion, which answers alone for an item that has no other."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.features.modalities import Presence, feature_widths
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import positive_integer


@keras.saving.register_keras_serializable("tf_metammf")
class ModalityHeads(Layer):
    """Adds a linear map of every present modality to a fused vector (multi-head fusion, MIND, arXiv 2502.01158).

    With the modalities ``P`` of an item and what a fusion gives for it, ``F(x)``::

        c = F(x) + sum_{m in P} x_m K_m     where P has several
        c = x_m K_m                         where P = {m}

    So an item of one modality is represented by the head of that modality, without stand-ins for the others.

    Args:
        units: Width of the fused vectors.
        initializer: Of the maps. Defaults to ``"glorot_uniform"``.
        **options: Name, dtype and other arguments of a Keras layer.

    Examples:
        >>> import tensorflow as tf
        >>> videos = {"visual": tf.ones([2, 3]), "acoustic": tf.ones([2, 2])}
        >>> present = {"visual": tf.constant([True, False]), "acoustic": tf.constant([True, True])}
        >>> heads = ModalityHeads(4, initializer="ones")
        >>> heads(videos, mask=present, fused=10 * tf.ones([2, 4]))[:, 0].numpy()
        array([15.,  2.], dtype=float32)
    """

    def __init__(self, units: int, *, initializer: Any = "glorot_uniform", **options: Any) -> None:
        super().__init__(**{"autocast": False, **options})
        self.units = positive_integer("ModalityHeads", "units", units)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        """Makes the maps, drawn as one kernel ``[features, units]``."""
        self.widths = feature_widths("ModalityHeads", input_shape)
        widths = list(self.widths.values())
        with tf.init_scope():
            drawn = self.initializer((sum(widths), self.units), dtype=self.variable_dtype)
        # Numbered, not named: names of modalities are free, names of weights are not.
        self.kernels = [
            self.add_weight(
                name=f"projection_{place}/kernel",
                shape=(width, self.units),
                initializer=keras.initializers.Constant(part.numpy()),
            )
            for place, (width, part) in enumerate(zip(widths, tf.split(drawn, widths), strict=True))
        ]
        super().build(input_shape)

    def weights_by_modality(self) -> dict[str, list[tf.Variable]]:
        """The map of each modality, by its name."""
        return {name: [kernel] for name, kernel in zip(self.widths, self.kernels, strict=True)}

    def call(
        self, features: Mapping[str, tf.Tensor], mask: Presence, fused: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Vectors ``[B, units]`` of features ``[B, width]`` and presence ``[B]`` by modality, and fused vectors."""
        present = tf.stack([mask[name] for name in self.widths], axis=1)
        values = [
            tf.where(mask[name][:, tf.newaxis], tf.cast(features[name], self.compute_dtype), 0) for name in self.widths
        ]
        kernel = tf.cast(tf.concat(self.kernels, axis=0), self.compute_dtype)
        mapped = tf.matmul(tf.concat(values, axis=1), kernel)
        alone = tf.equal(tf.reduce_sum(tf.cast(present, tf.int32), axis=1, keepdims=True), 1)
        return mapped + tf.where(alone, tf.zeros_like(fused), fused)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "initializer": keras.initializers.serialize(self.initializer),
        }
