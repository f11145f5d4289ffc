"""Tokens of all modalities as vectors of one width, which know their modality and their time."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_metammf.features.modalities import Presence, feature_widths
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import copied, positive_integer
from tf_metammf.records.token_sequences import TokenSequences

SHORTEST_PERIOD, LONGEST_PERIOD = 0.125, 512.0
"""Seconds of the fastest and the slowest sinusoid: two frames of a dense clip, and the length of a long one."""


class EmbeddedTokens(NamedTuple):
    """Tokens of one modality of a batch.

    Attributes:
        values: ``[B, T, token_units]``, anything in padding.
        there: bool ``[B, T]``: which places hold a token, or the stand-in of an item without the modality.
        times: float32 ``[B, T]``: seconds.
        present: bool ``[B]``: which items have the modality.
    """

    values: tf.Tensor
    there: tf.Tensor
    times: tf.Tensor
    present: tf.Tensor

    @property
    def mask(self) -> tf.Tensor:
        """bool ``[B, T]``: which places hold a token of the item itself, stand-ins excluded."""
        return self.there & self.present[:, tf.newaxis]


@keras.saving.register_keras_serializable("tf_metammf")
class TokenEmbedding(Layer):
    """Maps the tokens of every modality to the same space.

    ``z[t] = x[t] W_m + b_m + P p(time[t])`` with ``W_m [width, units]``, a vector ``b_m`` that also marks the modality,
    and ``p`` the sines and cosines of the time (:func:`time_features`). Times are seconds on the clock of the item, so
    tokens of different modalities that belong to the same moment have the same ``p``, whatever their rates. Nothing
    refers to the index of a token: sequences may be longer than those in training.

    Input: :class:`tf_metammf.records.TokenSequences` by modality name; what is in padding makes no difference.

    Output: :class:`EmbeddedTokens` by modality name, alphabetically.

    Args:
        units: Width of the output.
        frequencies: Number of sinusoids of the time; 0 leaves times out. Defaults to 16.
        kernel_initializer: Of ``W_m`` and ``P``. Defaults to ``"glorot_uniform"``; ``b_m`` starts as random normal of
            deviation 0.1.
        kernel_regularizer: Of ``W_m`` and ``P``.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: ``units`` or ``frequencies`` is not acceptable.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf.fusion.token_embedding import TokenEmbedding
        >>> from tf_metammf.records import TokenSequences
        >>> frames = TokenSequences(tf.ones([5, 4, 3]), tf.constant([4, 2, 1, 1, 3], tf.int64), tf.zeros([5, 4]))
        >>> TokenEmbedding(units=8)({"visual": frames})["visual"].values.shape
        TensorShape([5, 4, 8])
    """

    def __init__(
        self,
        units: int,
        *,
        frequencies: int = 16,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **options})
        self.units = positive_integer("TokenEmbedding", "units", units)
        self.frequencies = frequency_count("TokenEmbedding", frequencies)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        """Creates a map for every modality, and one for the time."""
        widths = feature_widths("TokenEmbedding", input_shape)
        self.modalities = tuple(widths)
        # Numbered, not named: names of modalities are free, names of weights are not.
        self.projections = [self._dense(f"projection_{place}", width) for place, width in enumerate(widths.values())]
        self.time_projection = self._dense("time", 2 * self.frequencies, use_bias=False) if self.frequencies else None
        super().build(input_shape)

    def call(self, inputs: Mapping[str, TokenSequences], mask: Presence | None = None) -> dict[str, EmbeddedTokens]:
        """Embedded tokens by modality.

        Args:
            inputs: Token sequences by modality.
            mask: bool ``[B]`` by modality: which items have it; None where every item has all.
        """
        return {
            name: self._embedded(inputs[name], projection, None if mask is None else mask[name])
            for name, projection in zip(self.modalities, self.projections, strict=True)
        }

    def weights_by_modality(self) -> dict[str, list[tf.Variable]]:
        """The map of each modality, by its name."""
        return {name: each.trainable_weights for name, each in zip(self.modalities, self.projections, strict=True)}

    def _embedded(
        self, sequences: TokenSequences, projection: keras.layers.Dense, present: tf.Tensor | None
    ) -> EmbeddedTokens:
        values = projection(tf.cast(sequences.without_padding(), self.compute_dtype))
        if self.time_projection is not None:
            features = time_features(sequences.times, self.frequencies)
            values += self.time_projection(tf.cast(features, self.compute_dtype))
        everywhere = tf.ones_like(sequences.lengths, tf.bool)
        present = everywhere if present is None else tf.cast(present, tf.bool)
        return EmbeddedTokens(values, sequences.mask, tf.cast(sequences.times, tf.float32), present)

    def _dense(self, name: str, width: int, *, use_bias: bool = True) -> keras.layers.Dense:
        layer = keras.layers.Dense(
            self.units,
            use_bias=use_bias,
            kernel_initializer=copied(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_initializer=keras.initializers.RandomNormal(stddev=0.1),
            dtype=self.dtype_policy,
            name=name,
        )
        # Without the scope, weights of several modalities would share a name, which HDF5 files refuse.
        with tf.name_scope(name):
            layer.build([None, None, width])
        return layer

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "frequencies": self.frequencies,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def time_features(times: tf.Tensor, frequencies: int) -> tf.Tensor:
    """Sines, then cosines of times, float32 ``[B, T, 2 * frequencies]``.

    ``sin(2 pi t / p_k)`` and ``cos(2 pi t / p_k)`` with periods ``p_k`` from 1/8 s to 512 s, each longer than the one
    before by the same factor. The fastest tell tokens without times apart, too, whose times are from 0 up to 1.

    Args:
        times: Seconds, ``[B, T]``.
        frequencies: Number of periods.
    """
    periods = np.geomspace(SHORTEST_PERIOD, LONGEST_PERIOD, frequencies, dtype=np.float32)
    angles = 2 * np.float32(np.pi) * tf.cast(times, tf.float32)[:, :, tf.newaxis] / periods
    return tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)


def frequency_count(layer: str, frequencies: Any) -> int:
    """A number of sinusoids.

    Raises:
        InvalidInputError: It is neither 0 nor a positive integer.
    """
    return 0 if frequencies == 0 else positive_integer(layer, "frequencies", frequencies)
