"""Missing modalities: a learned stand-in for each, and modality dropout in training."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.modalities import Presence, check_features, feature_widths, presence_matrix
from tf_metammf.features.token_features import ModalityFeatures, item_count
from tf_metammf.layers.dropout import new_generator, uniform
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import share
from tf_metammf.layers.training_switch import in_training
from tf_metammf.records.token_sequences import TokenSequences


@keras.saving.register_keras_serializable("tf_metammf")
class MissingModalities(Layer):
    """Puts a learned stand-in in the place of every absent modality.

    ``x_m = x_m`` where the item has modality m, else ``s_m``, a learned vector of the same width. In
    training each present modality of an item is dropped with probability ``dropout`` and replaced
    in the same way, but never the last one: where all of them would go, one of the present ones,
    each equally likely, stays. So a fusion learns to do with what there is (modality dropout as in
    Neverova et al., ModDrop, arXiv 1501.00102).

    Input: float ``[B, width]`` by modality; rows of absent modalities may hold anything, even NaN. Or
    :class:`tf_metammf.records.TokenSequences`: then the stand-in is the only token of an item that lacks the modality,
    at the time 0, and padding becomes zeros.

    Mask: bool ``[B]`` by modality, True where present; None where every item has all.

    Output: a pair of features and mask, as the input, with stand-ins put in and the mask False
    wherever there is one. The fusion takes both.

    Args:
        dropout: Probability that a present modality is hidden in training, in [0, 1). Defaults to 0.
        initializer: Of the stand-ins. Defaults to ``"zeros"``, the mean of standardised features.
        regularizer: Of the stand-ins.
        seed: Seed of the dropout. Defaults to None: drawn from Python's ``random``, which
            ``tf_keras.utils.set_random_seed`` seeds.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: ``dropout`` is not in [0, 1), the input is not a dictionary of ``[batch,
            width]`` or token sequences, or the mask has other modalities than the input.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import MissingModalities
        >>> videos = {"visual": tf.ones([2, 3]), "acoustic": tf.ones([2, 2])}
        >>> present = {"visual": tf.constant([True, False]), "acoustic": tf.constant([True, True])}
        >>> complete, mask = MissingModalities()(videos, mask=present)
        >>> complete["visual"].numpy()  # before training a missing modality is zero
        array([[1., 1., 1.],
               [0., 0., 0.]], dtype=float32)
    """

    def __init__(
        self,
        dropout: float = 0.0,
        *,
        initializer: Any = "zeros",
        regularizer: Any = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        # Keras would cast the times of tokens along with their values.
        super().__init__(**{"autocast": False, **options})
        self.dropout = share("MissingModalities", "dropout", dropout)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.seed = seed
        self.generator = new_generator(seed)

    def build(self, input_shape: Any) -> None:
        """Creates the stand-ins."""
        if not isinstance(input_shape, Mapping):
            raise InvalidInputError(
                f"MissingModalities: the input has the shape {input_shape}, expected a dictionary of features by "
                "modality name."
            )
        widths = feature_widths("MissingModalities", input_shape)
        self.modalities, self.widths = tuple(widths), tuple(widths.values())
        # One weight for all: names of modalities are free, names of weights are not.
        self.stand_ins = self.add_weight(
            name="stand_ins", shape=(sum(self.widths),), initializer=self.initializer, regularizer=self.regularizer
        )
        super().build(input_shape)

    def call(
        self, inputs: Mapping[str, ModalityFeatures], mask: Presence | None = None, training: bool | None = None
    ) -> tuple[dict[str, ModalityFeatures], dict[str, tf.Tensor]]:
        """Features and mask with stand-ins in the place of absent and dropped modalities."""
        check_features(f'MissingModalities "{self.name}"', inputs, dict(zip(self.modalities, self.widths, strict=True)))
        if mask is None:
            items = item_count(inputs)
            presence = tf.ones([items, len(self.modalities)], tf.bool)
        else:
            presence = presence_matrix(mask, self.modalities)
        if self.dropout:
            known = presence
            presence = in_training(training, lambda: self._dropped(known), lambda: known)
        stand_ins = dict(zip(self.modalities, tf.split(self.stand_ins, self.widths), strict=True))
        present = dict(zip(self.modalities, tf.unstack(presence, axis=1), strict=True))
        complete = {name: self._complete(inputs[name], present[name], stand_ins[name]) for name in self.modalities}
        return complete, present

    def _complete(self, features: ModalityFeatures, present: tf.Tensor, stand_in: tf.Tensor) -> ModalityFeatures:
        if not isinstance(features, TokenSequences):
            return tf.where(present[:, tf.newaxis], tf.cast(features, self.compute_dtype), stand_in)
        lengths = tf.where(present, features.lengths, tf.ones_like(features.lengths))
        times = tf.where(present[:, tf.newaxis], features.times, tf.zeros_like(features.times))
        values = tf.cast(features.values, self.compute_dtype)
        values = tf.where(present[:, tf.newaxis, tf.newaxis], values, stand_in)
        complete = TokenSequences(values, lengths, times)
        return complete._replace(values=complete.without_padding())

    def _dropped(self, presence: tf.Tensor) -> tf.Tensor:
        draw = uniform(self.generator, tf.shape(presence))
        # The present modality with the largest draw is the last that would go, and never goes.
        draw = tf.where(presence, draw, -1.0)
        largest = tf.equal(draw, tf.reduce_max(draw, axis=1, keepdims=True))
        return presence & (largest | (draw >= self.dropout))

    def compute_output_shape(self, input_shape: Any) -> tuple[dict[str, tf.TensorShape], dict[str, tf.TensorShape]]:
        """Shapes of features and mask."""
        shapes = {
            name: TokenSequences(*map(tf.TensorShape, shape)) if isinstance(shape, TokenSequences) else shape
            for name, shape in input_shape.items()
        }
        rows = {name: shape.lengths if isinstance(shape, TokenSequences) else shape for name, shape in shapes.items()}
        return shapes, {name: tf.TensorShape(shape)[:1] for name, shape in rows.items()}

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "seed": self.seed,
        }
