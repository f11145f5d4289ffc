"""The contract of a fusion over time."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.features.modalities import Presence
from tf_metammf.features.token_features import FeatureForm
from tf_metammf.fusion.fusion_layer import FusionLayer
from tf_metammf.records.token_sequences import TokenSequences


class TokenFusion(FusionLayer):
    """A Keras layer that makes one vector of the token sequences of an item: its frames, sounds and words in order.

    A fusion of your own extends this class and defines :meth:`call`; its weights are made in ``build``, after
    ``super().build(input_shape)`` has set ``modalities`` and ``widths``. Any layer with a class attribute
    ``takes = "tokens"`` and the same ``call`` will do, too.

    Every modality comes as :class:`tf_metammf.records.TokenSequences`. What is guaranteed of them:

    * Every item has at least one token of every modality. Where it lacks the modality, that is a learned stand-in at
      the time 0, and ``mask`` is False. A modality that the record set has one vector of is a sequence of one token.
    * Padding is zero, in values and times. ``values`` are standardised, and of the compute dtype of the item tower.
    * Modalities have numbers of tokens ``T`` of their own, and other batches have others. New items may have longer
      sequences than those in training.
    * ``times`` and ``lengths`` stay float32 and int64 in mixed precision, because the layer does not cast its inputs:
      cast ``values`` to ``self.compute_dtype`` where they are multiplied.

    Args:
        units: Widths of layers, the last of which is that of the fused vector.
        **options: As :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import TokenFusion
        >>> from tf_metammf.records import TokenSequences
        >>> class LastToken(TokenFusion):
        ...     def build(self, input_shape):
        ...         super().build(input_shape)
        ...         self.kernel = self.add_weight("kernel", (sum(self.widths), self.units[-1]))
        ...
        ...     def call(self, inputs, mask=None, training=None):
        ...         last = [tf.gather(x.values, x.lengths - 1, batch_dims=1) for _, x in sorted(inputs.items())]
        ...         return tf.matmul(tf.concat(last, axis=1), self.kernel)
        >>> frames = TokenSequences(tf.ones([5, 4, 3]), tf.constant([4, 2, 1, 1, 3], tf.int64), tf.zeros([5, 4]))
        >>> LastToken(units=(8,))({"visual": frames}).shape
        TensorShape([5, 8])
    """

    takes: ClassVar[FeatureForm] = "tokens"

    def __init__(self, units: Any = (64,), **options: Any) -> None:
        super().__init__(units, **{"autocast": False, **options})

    @abstractmethod
    def call(
        self,
        inputs: Mapping[str, TokenSequences],
        mask: Presence | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]``.

        Args:
            inputs: Token sequences by modality.
            mask: bool ``[B]`` by modality: which items have it; None where every item has all. Which tokens are there
                is in ``inputs[name].mask``, ``[B, T]``.
            training: Whether the call belongs to training.
        """

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """``[B, units[-1]]``."""
        sequences = next(iter(input_shape.values()))
        return tf.TensorShape([tf.TensorShape(sequences.lengths)[0], self.units[-1]])

    def get_build_config(self) -> dict[str, Any] | None:
        """Widths of the modalities, by which a restored layer makes its weights; None before there are any."""
        return {"widths": dict(zip(self.modalities, self.widths, strict=True))} if self.built else None

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Makes the weights for the same modalities."""
        # Keras would make lists of the shapes of token sequences.
        rows, places = tf.TensorShape([None]), tf.TensorShape([None, None])
        self.build(
            {
                name: TokenSequences(tf.TensorShape([None, None, width]), rows, places)
                for name, width in config["widths"].items()
            }
        )
