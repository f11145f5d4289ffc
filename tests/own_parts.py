"""Parts as a user writes them: one file, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import tensorflow as tf
import tf_keras as keras

from tf_metammf.auxiliary.auxiliary_loss import AuxiliaryLoss, ItemViews
from tf_metammf.auxiliary.settings import AuxiliarySettings
from tf_metammf.encoders.encoder import Encoder, Represent
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.recommenders import tfrs
from tf_metammf.objectives.objective import Objective


class MeanFusion(keras.layers.Layer):
    """The mean of projected modalities, by a plain Keras layer; its settings are the arguments of its constructor.

    Args:
        width: Width of the fused vector.
        activation: Applied to it: linear or tanh.
    """

    def __init__(self, width: int = 4, activation: Literal["linear", "tanh"] = "linear", **options: Any) -> None:
        super().__init__(**options)
        self.width, self.activation = width, keras.activations.get(activation)
        self.projections: dict[str, keras.layers.Dense] = {}

    def build(self, input_shape: Any) -> None:
        for name, shape in sorted(input_shape.items()):
            self.projections[name] = keras.layers.Dense(self.width, name=f"projection_{name}", dtype=self.dtype_policy)
            self.projections[name].build(shape)
        super().build(input_shape)

    def call(self, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return self.activation(tf.add_n([self.projections[name](features[name]) for name in sorted(features)]))


class ScaledTowers(Encoder):
    """Tower outputs times a factor for each value, which is learned."""

    @dataclass
    class Settings(EncoderSettings):
        """Settings.

        Attributes:
            start: The factors to begin with.
        """

        start: float = 1.0

        lower_bounds: ClassVar = {"start": 0.0}
        searched: ClassVar = {"start": {"range": [0.5, 2.0]}}

    def __init__(self, *, start: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.start = start

    def build(self, input_shape: Any) -> None:
        self.factors = self.add_weight(
            "factors", (input_shape[-1],), initializer=keras.initializers.Constant(self.start)
        )
        super().build(input_shape)

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        represent_users: Represent,
        represent_items: Represent,
        neighbourhood: Any = None,
        targets: Any = None,
        training: bool,
    ) -> UsersAndItems:
        return represent_users(users) * self.factors, represent_items(items)

    def embed_all(self, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        return users * self.factors, items

    def embed_new_items(self, representations: tf.Tensor, features: Any, presence: Any) -> tf.Tensor:
        return representations


class Hinge(Objective):
    """``mean max(0, margin - u . i + u . j)`` with another item of the batch for ``j``.

    Args:
        margin: By how much the positive has to be ahead.
    """

    def __init__(self, margin: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.margin = margin

    def candidates(self, batch: Any) -> tf.Tensor:
        return batch["item"]

    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Any) -> tf.Tensor:
        positive = tf.reduce_sum(queries * candidates, axis=1)
        negative = tf.reduce_sum(queries * tf.roll(candidates, 1, axis=0), axis=1)
        return tf.reduce_mean(tf.nn.relu(self.margin - positive + negative))


class SquaredDistance(keras.layers.Layer, tfrs.tasks.base.Task):
    """A task of TFRS: ``mean |u - i|^2 / 2`` less what keeps embeddings apart."""

    def call(self, query_embeddings: tf.Tensor, candidate_embeddings: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(query_embeddings - candidate_embeddings))


class Decorrelation(AuxiliaryLoss):
    """Squared correlations of the values of fused vectors, over items of the batch and of the catalogue."""

    @dataclass
    class Settings(AuxiliarySettings):
        """Settings.

        Attributes:
            weight: Factor of the loss.
            items: Items drawn from the catalogue in every step.
        """

        weight: float = 0.1
        items: int = 8

    def __init__(self, *, weight: float = 0.1, items: int = 8, **options: Any) -> None:
        super().__init__(**options)
        self.weight, self.sampled_items = weight, items

    def call(self, batch: Any, seen: ItemViews, sampled: ItemViews | None, *, training: bool) -> tf.Tensor:
        fused = seen.fused if sampled is None else tf.concat([seen.fused, sampled.fused], axis=0)
        centred = tf.cast(fused, tf.float32) - tf.reduce_mean(tf.cast(fused, tf.float32), axis=0)
        products = tf.matmul(centred, centred, transpose_a=True) / tf.cast(tf.shape(fused)[0], tf.float32)
        return self.weight * tf.reduce_mean(tf.square(products - tf.linalg.diag(tf.linalg.diag_part(products))))


class NoLayer:
    """Something else."""


class Misnamed(MeanFusion):
    """A fusion that says it has weights of single modalities, and names none."""

    has_modality_weights = True

    def __init__(self, width: int = 4, **options: Any) -> None:
        super().__init__(width, **options)
