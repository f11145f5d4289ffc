"""What an encoder is, which stands between what the towers give and the embeddings that are scored."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.features.batches import Batch
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.layer import Layer

Represent = Callable[[tf.Tensor | None], tf.Tensor]
"""From dense ids ``[n]`` to tower outputs ``[n, width]``; of None to those of all users or items, in the order of their
ids, which is faster than looking every id up."""


class Encoder(Layer):
    """From the outputs of the towers to the embeddings that are scored.

    An encoder of your own extends this class. It has to define :meth:`embed`, :meth:`embed_all` and
    :meth:`embed_new_items`; what else it overrides is used, too. Weights are made in ``build((None, width))``, which is
    called with the width of what the towers give.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import Encoder
        >>> class HalvedUsers(Encoder):
        ...     def embed(self, users, items, *, represent_users, represent_items, **_):
        ...         return represent_users(users) / 2, represent_items(items)
        ...
        ...     def embed_all(self, users, items):
        ...         return users / 2, items
        ...
        ...     def embed_new_items(self, representations, features, presence):
        ...         return representations
        >>> users, items = HalvedUsers().embed_all(tf.ones([2, 4]), tf.ones([3, 4]))
        >>> users[0].numpy()
        array([0.5, 0.5, 0.5, 0.5], dtype=float32)
    """

    Settings: ClassVar[type[EncoderSettings]] = EncoderSettings
    """What the command line and configurations know of it; see :mod:`tf_metammf.parts.parts`."""

    compares_features: ClassVar[bool] = False
    """Whether it looks at the features of items itself."""
    embeds_new_items: ClassVar[bool] = True
    """Whether :meth:`embed_new_items` is possible without interactions of the items."""
    embeds_new_users: ClassVar[bool] = False
    """Whether :meth:`messages` and :meth:`embed_new_users` are there."""
    needs_all_features: ClassVar[bool] = False
    """Whether a step without sampled neighbourhoods needs the features of all items."""
    passes_towers_through: ClassVar[bool] = False
    """Whether embeddings are what the towers give, so that all items need not be there at once."""
    exclude_targets: bool = False
    """Whether :meth:`embed` gets ``targets`` in training: users and items ``[B]`` of the pairs of the batch, to embed
    them as if they had not met."""

    @abstractmethod
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
        """Embeddings ``[U, d]`` of dense user ids ``[U]`` and ``[I, d]`` of dense item ids ``[I]``.

        ``neighbourhood`` is that of the batch, where :class:`tf_metammf.records.NeighbourSampler` added one.
        """

    @abstractmethod
    def embed_all(self, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Embeddings ``[users, d]`` and ``[items, d]`` of everybody and everything, from the tower outputs of all."""

    @abstractmethod
    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Embeddings ``[n, d]`` of items without interactions.

        Args:
            representations: Their tower outputs ``[n, width]``.
            features: float ``[n, width]`` by modality.
            presence: bool ``[n]`` by modality.
        """

    def head(self, embeddings: tf.Tensor) -> tf.Tensor:
        """From what :meth:`embed` gives to what is scored, float32 ``[n, d]`` both. By default the same."""
        return embeddings

    def auxiliary_loss(self, batch: Batch, queries: tf.Tensor, candidates: tf.Tensor, *, training: bool) -> tf.Tensor:
        """A scalar that is added to the objective. By default 0.

        Args:
            batch: The batch, and as ``candidate`` the ids of the candidates, ``[C]``.
            queries: What :meth:`embed` gave for its users, ``[B, d]``.
            candidates: The same for the candidates of the objective, ``[C, d]``.
            training: Whether it is a training step.
        """
        return tf.constant(0.0)

    def messages(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """What items tell a user who comes after training, ``[items, m]``, from the tower outputs of all."""
        raise NotImplementedError(f"{type(self).__name__} does not embed new users")

    def embed_new_users(self, representations: tf.Tensor, messages: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        """Embeddings ``[n, d]`` of users who come after training.

        Args:
            representations: What stands for their tower outputs, ``[n, width]``.
            messages: Means of :meth:`messages` over the items of each user, ``[n, m]``.
            counts: Number of those items, ``[n, 1]``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not embed new users")

    @property
    def embedding_tables(self) -> tuple[list[tf.Variable], list[tf.Variable]]:
        """Weights with a row for every user, and those with one for every item."""
        return [], []
