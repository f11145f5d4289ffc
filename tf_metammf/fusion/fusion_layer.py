"""The contract of a fusion, and what the fusions of this project share."""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tf_metammf.features.modalities import (
    Features,
    Presence,
    check_features,
    feature_width,
    feature_widths,
    presence_matrix,
)
from tf_metammf.features.token_features import FeatureForm
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import layer_widths, share

PUBLISHED_UNITS = (1024, 512, 256, 32)
"""Widths of the fusion layers in the paper."""


class FusionLayer(Layer):
    """A Keras layer that makes one vector of the modalities of an item.

    The contract, which a fusion of your own has to keep too: ``call(inputs, mask=None,
    training=None)`` with

    * ``inputs``: float ``[B, width]`` by modality name. Rows of absent modalities are used as
      they come, which is a learned stand-in behind :class:`tf_metammf.MissingModalities`.
    * ``mask``: bool ``[B]`` by modality name, True where the item has the modality; None where
      every item has all.

    and the output float ``[B, units[-1]]``. Modalities stand in the alphabetical order of their
    names. ``mask`` and ``training`` may be left out of the signature.

    Where items have token sequences, ``inputs`` are the means over the tokens. A fusion that is to see the tokens
    themselves extends :class:`tf_metammf.TokenFusion`.

    Args:
        units: Width of each layer; LeakyReLU between layers, none after the last.
        negative_slope: Slope of LeakyReLU below zero, in [0, 1).
        kernel_initializer: Of the kernels that are the same for all items.
        kernel_regularizer: Of the same kernels.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: An argument is not acceptable, or the input does not keep the contract.
    """

    takes: ClassVar[FeatureForm] = "vectors"
    """Whether ``inputs`` are one vector an item, or :class:`tf_metammf.records.TokenSequences`."""

    has_modality_weights: ClassVar[bool] = False
    """Whether some weights belong to one modality each; then :meth:`weights_by_modality` names them."""

    def __init__(
        self,
        units: Any = PUBLISHED_UNITS,
        *,
        negative_slope: float = 0.01,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = layer_widths(type(self).__name__, "units", units)
        self.negative_slope = share(type(self).__name__, "negative_slope", negative_slope)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.modalities: tuple[str, ...] = ()
        self.widths: tuple[int, ...] = ()

    def build(self, input_shape: Any) -> None:
        """Remembers modalities and widths; subclasses create their layers."""
        name = type(self).__name__
        if isinstance(input_shape, Mapping):
            widths = feature_widths(name, input_shape)
            self.modalities, self.widths = tuple(widths), tuple(widths.values())
        else:
            self.widths = (feature_width(name, "the input", input_shape),)
        super().build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """``[B, units[-1]]``."""
        first = next(iter(input_shape.values())) if isinstance(input_shape, Mapping) else input_shape
        return tf.TensorShape([tf.TensorShape(first)[0], self.units[-1]])

    def weights_by_modality(self) -> dict[str, list[tf.Variable]]:
        """The weights that belong to one modality, by its name; none, unless a subclass says so."""
        return {}

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": list(self.units),
            "negative_slope": self.negative_slope,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _check(self, inputs: Features) -> None:
        """Refuses modalities or widths other than those the layer was built with."""
        if not isinstance(inputs, Mapping) or not self.modalities:
            return
        expected = dict(zip(self.modalities, self.widths, strict=True))
        check_features(f'{type(self).__name__} "{self.name}"', inputs, expected)

    def _presence(self, mask: Presence) -> tf.Tensor:
        """1 where a modality is present and 0 elsewhere, float ``[B, M]``."""
        return tf.cast(presence_matrix(mask, self.modalities), self.compute_dtype)

    def _built(self, layer: keras.layers.Layer, input_shape: Any) -> keras.layers.Layer:
        """``layer`` with its weights, which are then there when saved weights are loaded into them."""
        # Without the scope, weights of several parts would share a name, which HDF5 files refuse.
        with tf.name_scope(layer.name):
            layer.build(input_shape)
        return layer
