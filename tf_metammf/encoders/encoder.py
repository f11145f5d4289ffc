"""The contract of an encoder, which stands between what the towers give and the embeddings that are scored."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import tensorflow as tf

Represent = Callable[[tf.Tensor], tf.Tensor]
"""From dense ids ``[n]`` to tower outputs ``[n, width]``."""

Sides = tuple[tf.Tensor, tf.Tensor]
"""Something of users and the same of items."""


class Encoder(Protocol):
    """What :class:`tf_metammf.MetaMMF` asks of an encoder; any Keras layer with these methods will do.

    An encoder may have more, each used where it is there:

    * ``head(embeddings)``: from what :meth:`embed` gives to what is scored, float32 ``[n, d]`` both;
    * ``auxiliary_loss(batch, queries, candidates, *, training)``: a scalar that is added to the objective, from what
      :meth:`embed` gave for the users of the batch and for the candidates of the objective;
    * ``embedding_tables``: weights with a row for every user, and those with one for every item, two lists;
    * ``embeds_new_items``: False where :meth:`embed_new_items` is not possible;
    * ``exclude_targets``: True where :meth:`embed` takes ``targets``, too, users and items ``[B]`` of the pairs of a
      training batch, to embed them as if they had not met;
    * ``uses_features``: True where :meth:`embed_new_items` takes features and presence, too.
    """

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        represent_users: Represent,
        represent_items: Represent,
        neighbourhood: Mapping[str, Any] | None = None,
        training: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings ``[U, d]`` of dense user ids ``[U]`` and ``[I, d]`` of dense item ids ``[I]``.

        ``neighbourhood`` is that of the batch, where :class:`tf_metammf.records.NeighbourSampler` added one.
        """

    def embed_all(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings ``[users, d]`` and ``[items, d]`` of everybody and everything, from the tower outputs of all."""

    def embed_new_items(self, representations: tf.Tensor) -> tf.Tensor:
        """Embeddings ``[n, d]`` of items without interactions from their tower outputs ``[n, width]``."""
