"""What the items of users say of them: attention of the user to the items."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.fusion.token_attention import masked_softmax
from tf_metammf.layers.dropout import new_generator, uniform
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import positive_integer, share
from tf_metammf.layers.training_switch import in_training


@keras.saving.register_keras_serializable("tf_metammf")
class HistoryAttention(Layer):
    """Adds to the embeddings of users what they attend to in the items that they have.

        e_u' = e_u + sum over j of a_j e_j        a = softmax over j of (Q e_u + b)^T K e_j / sqrt(k)

    with the embeddings ``e_j`` of the items j in the history of u, as they are scored, and ``Q``, ``K [k, units]``. The
    items are values as they are: with maps of values, as multi-head attention has them, models learned the training
    users by heart and served others worse. The bias lets a user whose ``e_u`` is 0 attend to items, too. A user without
    items keeps ``e_u``.

    Input: embeddings of users ``[B, units]``, embeddings of their items ``[B, H, units]`` and which of these are there,
    bool ``[B, H]``. Output: ``[B, units]``.

    Args:
        units: Width of the embeddings.
        key_units: The width k. Defaults to 32.
        id_dropout: Share of users in a training batch whose ``e_u`` is 0, so that items come to stand for users who
            have none; those who have no item keep it. Defaults to 0.5.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: An argument is not acceptable.

    Reference: attention to the items of a user follows He et al., NAIS, arXiv 1809.07053; liked items as examples in
    the context are an idea of Chen et al., MMICT, arXiv 2312.06363. The equation is that of this project.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf.history_attention import HistoryAttention
        >>> HistoryAttention(8)(tf.zeros([2, 8]), tf.ones([2, 3, 8]), tf.ones([2, 3], tf.bool)).shape
        TensorShape([2, 8])
    """

    def __init__(self, units: int, *, key_units: int = 32, id_dropout: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.units = positive_integer("HistoryAttention", "units", units)
        self.key_units = positive_integer("HistoryAttention", "key_units", key_units)
        self.id_dropout = share("HistoryAttention", "id_dropout", id_dropout)
        self.generator = new_generator()
        self.queries = keras.layers.Dense(self.key_units, dtype=self.dtype_policy, name="queries")
        self.keys = keras.layers.Dense(self.units, use_bias=False, dtype=self.dtype_policy, name="keys")

    def build(self, input_shape: Any) -> None:
        """Creates the maps of queries and keys."""
        for layer, width in ((self.queries, self.units), (self.keys, self.key_units)):
            with tf.name_scope(layer.name):
                layer.build([None, width])
        super().build(input_shape)

    def call(
        self, identities: tf.Tensor, items: tf.Tensor, there: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Embeddings of users by who they are and what they have, ``[B, units]``."""
        # Keras casts the first argument alone.
        identities, items = (tf.cast(each, self.compute_dtype) for each in (identities, items))
        own = in_training(training, lambda: self._dropped(identities, there), lambda: identities)
        weights = tf.cast(self.attention(own, items, there), items.dtype)
        return own + tf.einsum("bh,bhd->bd", weights, items)

    def attention(self, identities: tf.Tensor, items: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        """Attention to the items, float32 ``[B, H]``: 1 in sum for a user who has any."""
        # q^T (K e) = (K^T q)^T e, which maps users instead of all of their items.
        looking = self.keys(self.queries(identities)) / self.key_units**0.5
        scores = tf.einsum("bd,bhd->bh", looking, items)
        return masked_softmax(tf.cast(scores, tf.float32), there)

    def _dropped(self, identities: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        kept = uniform(self.generator, tf.shape(identities)[:1]) >= self.id_dropout
        kept |= ~tf.reduce_any(there, axis=1)
        return identities * tf.cast(kept, identities.dtype)[:, tf.newaxis]

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "units": self.units, "key_units": self.key_units, "id_dropout": self.id_dropout}
