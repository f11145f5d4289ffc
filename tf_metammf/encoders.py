"""Encoders: from what the towers give to the embeddings that are scored."""

from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import unknown_name

Represent = Callable[[tf.Tensor], tf.Tensor]
"""From dense ids ``[n]`` to tower outputs ``[n, width]``."""


class Encoder(Protocol):
    """What :class:`tf_metammf.MetaMMF` asks of an encoder; any Keras layer with these methods will do."""

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        represent_users: Represent,
        represent_items: Represent,
        training: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings ``[U, d]`` of dense user ids ``[U]`` and ``[I, d]`` of dense item ids ``[I]``."""

    def embed_new_items(self, representations: tf.Tensor) -> tf.Tensor:
        """Embeddings ``[n, d]`` of items without interactions from their tower outputs ``[n, width]``."""


class MatrixFactorization(keras.layers.Layer):
    """Takes the tower outputs as the embeddings: MetaMMF_MF of the paper (section 3.4)."""

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        represent_users: Represent,
        represent_items: Represent,
        training: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Tower outputs of the given users and items."""
        return represent_users(users), represent_items(items)

    def embed_new_items(self, representations: tf.Tensor) -> tf.Tensor:
        """The representations themselves."""
        return representations


ENCODERS: dict[str, Callable[..., Any]] = {"mf": MatrixFactorization}


def make_encoder(encoder: str | keras.layers.Layer, **options: Any) -> Any:
    """An encoder by name (``"mf"``), or the given layer itself.

    Raises:
        InvalidInputError: The name is unknown.
    """
    if not isinstance(encoder, str):
        return encoder
    if encoder not in ENCODERS:
        raise unknown_name("encoder", encoder, ENCODERS)
    return ENCODERS[encoder](**options)
