"""VBPR: what users like about content, beside matrix factorization."""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.content_encoder import ContentEncoder
from tf_metammf.encoders.encoder import Represent
from tf_metammf.encoders.peer_settings import VBPRSettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.layer_arguments import copied, positive_integer


class VBPR(ContentEncoder):
    """Visual Bayesian personalised ranking (He & McAuley, VBPR, AAAI 2016, equations 3 and 4).

    ``score(u, i) = b_i + g_u . g_i + t_u . (E f_i) + b' . f_i`` with the features ``f_i`` of the item, latent factors
    ``g`` and ``t``, an embedding matrix ``E`` and the biases ``b_i`` of items and ``b'`` of features. As a dot
    product: ``[g_u; t_u; 1] . [g_i; E f_i; b_i + b' . f_i]``.

    Published settings: one visual modality of 4,096 values, BPR, 10 + 10 factors, features as they are.
    Deviations: all modalities stand side by side for ``f_i``; the offset of the whole and the bias of the user, which
    change no ranking and no BPR loss, are left out.

    Args:
        content: The features of all items.
        users: Number of users.
        units: Width of ``t_u`` and ``E f_i``. Defaults to 64.
        initializer: Of the factors ``t_u``. Defaults to ``"glorot_uniform"``.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: ``units`` is not positive.
    """

    Settings: ClassVar[type[EncoderSettings]] = VBPRSettings

    def __init__(
        self, content: ItemContent, users: int, *, units: int = 64, initializer: Any = "glorot_uniform", **options: Any
    ) -> None:
        super().__init__(content=content, **{"autocast": False, **options})
        self.units = positive_integer("VBPR", "units", units)
        self.preferences = self.add_weight("preferences", (users, units), initializer=copied(initializer))
        self.item_biases = self.add_weight("item_biases", (content.items, 1), initializer="zeros")
        self.projection = self.add_weight("projection", (content.width, units), initializer="glorot_uniform")
        self.feature_biases = self.add_weight("feature_biases", (content.width, 1), initializer="zeros")

    @property
    def embedding_tables(self) -> tuple[list[tf.Variable], list[tf.Variable]]:
        """Rows of users and rows of items."""
        return [self.preferences], [self.item_biases]

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        represent_users: Represent,
        represent_items: Represent,
        neighbourhood: Mapping[str, Any] | None = None,
        targets: UsersAndItems | None = None,
        training: bool,
    ) -> UsersAndItems:
        """Embeddings of the given users and items."""
        features = self.item_content.side_by_side(items)
        return (
            self._users(represent_users(users), tf.gather(self.preferences, users)),
            self._items(represent_items(items), features, tf.gather(self.item_biases, items), training=training),
        )

    def embed_all(self, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Embeddings of everybody and everything."""
        features = self.item_content.side_by_side(tf.range(self.item_content.items, dtype=tf.int64))
        return self._users(users, self.preferences), self._items(items, features, self.item_biases, training=False)

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Embeddings of items without interactions: their features, and no bias of their own."""
        values = tf.concat(list(self.item_content.of(features, presence).values()), axis=1)
        return self._items(representations, values, tf.zeros([tf.shape(values)[0], 1]), training=False)

    def _users(self, representations: tf.Tensor, preferences: tf.Tensor) -> tf.Tensor:
        ones = tf.ones([tf.shape(preferences)[0], 1])
        return tf.concat([tf.cast(representations, tf.float32), preferences, ones], axis=1)

    def _items(
        self, representations: tf.Tensor, features: tf.Tensor, biases: tf.Tensor, *, training: bool
    ) -> tf.Tensor:
        features = self._seen(features, training=training)
        biases = biases + tf.matmul(features, self.feature_biases)
        projected = tf.matmul(features, self.projection)
        return tf.concat([tf.cast(representations, tf.float32), projected, biases], axis=1)

    def _seen(self, features: tf.Tensor, *, training: bool) -> tf.Tensor:
        """What the model looks at of the features ``[n, F]``: all of them."""
        return features
