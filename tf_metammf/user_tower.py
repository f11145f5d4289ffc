"""The tower of users: from ids, and where wanted from the items of users, to the vectors that an encoder takes."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import NotSerializableError
from tf_metammf.history_attention import HistoryAttention
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import positive_integer
from tf_metammf.user_histories import UserHistories

USERS_AT_ONCE = 4096
"""Users whose items are looked at at once, where all users are embedded."""


@keras.saving.register_keras_serializable("tf_metammf")
class UserTower(Layer):
    """One embedding per user, and where wanted what the items of the user add to it.

    Args:
        users: Number of users.
        units: Width of the embedding.
        initializer: Initialiser of the embeddings. Defaults to ``"glorot_uniform"``, as published.
        histories: The items of users. Defaults to None: an embedding is all that there is.
        id_dropout: Share of users in a training batch that are known by their items alone, where there are histories;
            see :class:`tf_metammf.history_attention.HistoryAttention`. Defaults to 0.5.

    Attributes:
        history: What adds the items to the embeddings that :meth:`call` gives, or None.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import UserTower
        >>> UserTower(users=10, units=4)(tf.constant([0, 3])).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        users: int,
        units: int,
        *,
        initializer: Any = "glorot_uniform",
        histories: UserHistories | None = None,
        id_dropout: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.users = positive_integer("UserTower", "users", users)
        self.units = positive_integer("UserTower", "units", units)
        self.embedding = keras.layers.Embedding(
            users, units, embeddings_initializer=initializer, dtype=self.dtype_policy, name="embedding"
        )
        self.histories = histories
        self.history: HistoryAttention | None = None
        if histories is not None:
            self.history = HistoryAttention(units, id_dropout=id_dropout, dtype=self.dtype_policy, name="history")

    def build(self, input_shape: Any) -> None:
        """Creates what adds the items, where there are histories."""
        if self.history is not None:
            with tf.name_scope("history"):
                self.history.build([None, self.units])
        super().build(input_shape)

    def call(self, users: tf.Tensor) -> tf.Tensor:
        """Embeddings ``[B, units]`` of dense user ids ``[B]``."""
        return self.embedding(users)

    def everyone(self) -> tf.Tensor:
        """Embeddings of all users ``[users, units]``: the table itself, which a look-up of every id would copy."""
        return tf.cast(tf.convert_to_tensor(self.embedding.embeddings), self.compute_dtype)

    def with_items(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Embeddings of all users ``[users, units]`` with what their items add, some users at a time.

        Args:
            users: What :meth:`call` gives for all of them.
            items: Embeddings of all items as they are scored, ``[items, units]``.
        """
        if self.history is None:
            return users
        blocks = [
            self._with_items(tf.range(first, min(first + USERS_AT_ONCE, self.users), dtype=tf.int64), users, items)
            for first in range(0, self.users, USERS_AT_ONCE)
        ]
        return tf.concat(blocks, axis=0)

    @tf.function(reduce_retracing=True)
    def _with_items(self, ids: tf.Tensor, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        seen, there = self.histories.of(ids)  # type: ignore[union-attr]
        return self.history(tf.gather(users, ids), tf.gather(items, seen), there)  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments.

        Raises:
            NotSerializableError: The tower has histories, which are data.
        """
        if self.histories is not None:
            raise NotSerializableError("UserTower has histories, which are no part of a configuration.")
        return {
            **super().get_config(),
            "users": self.users,
            "units": self.units,
            "initializer": keras.initializers.serialize(self.embedding.embeddings_initializer),
        }
