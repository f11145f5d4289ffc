"""Modalities that arrive later: adapters beside a trained fusion, which begin as nothing."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.features.modalities import Presence, feature_widths, scope_name
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import positive_integer


@keras.saving.register_keras_serializable("tf_metammf")
class ModalityAdapters(Layer):
    """Adds what further modalities say to a fused vector, through a gate that begins closed.

    With presence ``p_n`` in {0, 1} of every further modality ``n``, a bottleneck of ``bottleneck`` units and the fused
    vector ``c0``::

        z_n = p_n GELU(LN(x_n) D_n)
        a   = [z_1 .. z_N] W
        c   = c0 + SiLU(a)

    There are no biases behind the bottleneck and ``W`` begins as zero, so ``c = c0`` to the bit before training, and
    for ever for an item that has none of these modalities. ``SiLU`` has the slope 1/2 at 0, so ``W`` has a gradient
    from the first step on (gated residual and adapters of CREMA, arXiv 2402.05889; the equations are of this project).
    A map between bottleneck and ``W`` would add weights and no function: a product of two maps is one map.

    Args:
        units: Width of the fused vectors.
        bottleneck: Width of the bottleneck of every modality. Defaults to 16.
        **options: Name, dtype and other arguments of a Keras layer.

    Examples:
        >>> import tensorflow as tf
        >>> adapters = ModalityAdapters(units=4, bottleneck=2)
        >>> present = {"textual": tf.constant([True, False])}
        >>> adapters({"textual": tf.ones([2, 3])}, mask=present, fused=tf.ones([2, 4]))[0].numpy()
        array([1., 1., 1., 1.], dtype=float32)
    """

    def __init__(self, units: int, *, bottleneck: int = 16, **options: Any) -> None:
        super().__init__(**{"autocast": False, **options})
        self.units = positive_integer("ModalityAdapters", "units", units)
        self.bottleneck = positive_integer("ModalityAdapters", "bottleneck", bottleneck)

    def build(self, input_shape: Any) -> None:
        """Makes normalisation and bottleneck of every modality, and the gate."""
        self.widths = feature_widths("ModalityAdapters", input_shape)
        self._adapters: list[tuple[tf.Variable, ...]] = []
        for name, width in self.widths.items():
            scope = scope_name(name)
            self._adapters.append(
                (
                    self.add_weight(name=f"{scope}/scale", shape=(width,), initializer="ones"),
                    self.add_weight(name=f"{scope}/offset", shape=(width,), initializer="zeros"),
                    self.add_weight(name=f"{scope}/down", shape=(width, self.bottleneck), initializer="glorot_uniform"),
                    self.add_weight(name=f"{scope}/gate", shape=(self.bottleneck, self.units), initializer="zeros"),
                )
            )
        super().build(input_shape)

    def weights_by_modality(self) -> dict[str, list[tf.Variable]]:
        """The weights of the adapter of each modality, by its name."""
        return {name: list(weights) for name, weights in zip(self.widths, self._adapters, strict=True)}

    def call(
        self, features: Mapping[str, tf.Tensor], mask: Presence, fused: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Vectors ``[B, units]`` of features ``[B, width]`` and presence ``[B]`` by modality, and fused vectors."""
        opened = []
        for name, weights in zip(self.widths, self._adapters, strict=True):
            scale, offset, down, gate = (tf.cast(weight, self.compute_dtype) for weight in weights)
            present = mask[name][:, tf.newaxis]
            # Rows of absent modalities may hold anything, even NaN.
            values = tf.where(present, tf.cast(features[name], self.compute_dtype), 0)
            mean, variance = tf.nn.moments(values, axes=[-1], keepdims=True)
            values = (values - mean) * tf.math.rsqrt(variance + 1e-3) * scale + offset
            adapted = tf.nn.gelu(tf.matmul(values, down))
            opened.append(tf.matmul(tf.where(present, adapted, tf.zeros_like(adapted)), gate))
        return fused + tf.nn.silu(tf.add_n(opened))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "units": self.units, "bottleneck": self.bottleneck}
