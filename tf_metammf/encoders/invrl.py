"""InvRL: a mask over the features that leaves what predicts preferences alike in every environment."""

from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.peer_settings import InvRLSettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.encoders.vbpr import VBPR
from tf_metammf.features.batches import Batch, pair_weights
from tf_metammf.features.item_content import ItemContent
from tf_metammf.layers.dropout import new_generator
from tf_metammf.layers.layer_arguments import positive_integer
from tf_metammf.layers.replicas import mean_over_batch


class InvRL(VBPR):
    """Invariant representation learning (Du et al., Invariant Representation Learning for Multimedia Recommendation,
    MM 2022).

    A mask ``m`` in [0, 1] divides the features into invariant ones ``m * f`` and variant ones ``(1 - m) * f``.

    * Environments: an interaction belongs to the environment whose model explains it best from variant features,
      ``e(u, i) = argmax_e p_u . (W_e ((1 - m) * f_i))``; the models are trained by BPR on their own interactions.
    * Invariant mask: with the mean loss ``L_e`` of the recommender in environment ``e``, the objective is
      ``L + variance_weight * |var_e(grad_m L_e)| + mask_weight * |m|^2``, so that the mask keeps features that
      preferences depend on in the same way everywhere. In training ``m = clip(mu + noise, 0, 1)``, afterwards
      ``clip(mu, 0, 1)``.
    * Recommender: :class:`tf_metammf.encoders.vbpr.VBPR` of ``m * f_i``.

    Published settings: UltraGCN as the recommender, 64 wide, 10 environments.
    Deviations: the recommender; all is trained at once, interactions are assigned to environments again in every step,
    where the paper iterates clustering and mask to convergence and then trains the recommender; the users of the
    models of the environments have one table ``p_u``, and each model a ``W_e`` of its own; ``mu`` begins at 0.5.

    Args:
        content: The features of all items.
        users: Number of users.
        environments: Number of environments. Defaults to 10.
        variance_weight: Factor of the variance of gradients. Defaults to 1.
        mask_weight: Factor of the size of the mask. Defaults to 0.001.
        noise: Deviation of the noise on the mask in training. Defaults to 0.1.
        **options: As for :class:`tf_metammf.encoders.vbpr.VBPR`.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = InvRLSettings

    def __init__(
        self,
        content: ItemContent,
        users: int,
        *,
        environments: int = 10,
        variance_weight: float = 1.0,
        mask_weight: float = 1e-3,
        noise: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(content, users, **options)
        self.environments = positive_integer("InvRL", "environments", environments)
        self.variance_weight = variance_weight
        self.mask_weight = mask_weight
        self.noise = noise
        self.generator = new_generator()
        self.mask = self.add_weight("mask", (content.width,), initializer=keras.initializers.Constant(0.5))
        self.variant_preferences = self.add_weight(
            "variant_preferences", (users, self.units), initializer="glorot_uniform"
        )
        self.variant_projections = self.add_weight(
            "variant_projections", (self.environments, content.width, self.units), initializer="glorot_uniform"
        )

    @property
    def embedding_tables(self) -> tuple[list[tf.Variable], list[tf.Variable]]:
        """Rows of users and rows of items."""
        return [self.preferences, self.variant_preferences], [self.item_biases]

    def auxiliary_loss(self, batch: Batch, queries: tf.Tensor, candidates: tf.Tensor, *, training: bool) -> tf.Tensor:
        """The loss of the environments, and the penalties on the mask.

        Args:
            batch: With negatives ``[B, n]``.
            queries: Embeddings of its users, ``[B, d]``.
            candidates: Those of its items, then of the negatives, ``[B + B n, d]``.
            training: Whether it is a training step.
        """
        negatives = batch["negative"]
        size, per_positive = tf.shape(negatives)[0], tf.shape(negatives)[1]
        of_items = self.item_content.side_by_side(batch["item"])[:, tf.newaxis]
        of_negatives = tf.reshape(
            self.item_content.side_by_side(tf.reshape(negatives, [-1])), [size, per_positive, self.item_content.width]
        )
        variant = 1 - tf.stop_gradient(self._gate())
        users = tf.gather(self.variant_preferences, batch["user"])
        tastes = tf.einsum("bd,efd->bef", users, self.variant_projections) * variant
        positive_scores = tf.einsum("bef,bf->be", tastes, of_items[:, 0])
        environment = tf.argmax(positive_scores, axis=1)
        margins = tf.gather(positive_scores, environment, batch_dims=1)[:, tf.newaxis] - tf.einsum(
            "bf,bnf->bn", tf.gather(tastes, environment, batch_dims=1), of_negatives
        )
        losses = tf.reshape(tf.nn.softplus(-margins), [-1])
        explained = mean_over_batch(losses, pair_weights(batch, each=per_positive))
        gradients = self._mask_gradients(batch, queries, candidates, of_items - of_negatives, environment)
        penalty = self.variance_weight * tf.norm(tf.math.reduce_variance(gradients, axis=0) + 1e-20)
        mask = self.mask_weight * tf.reduce_sum(self._gate() ** 2)
        return explained + mean_over_batch(tf.fill([size], penalty + mask))

    def _mask_gradients(
        self, batch: Batch, queries: tf.Tensor, candidates: tf.Tensor, differences: tf.Tensor, environment: tf.Tensor
    ) -> tf.Tensor:
        """``grad_m L_e`` of the BPR loss in every environment, ``[environments, F]``.

        Scores are linear in the mask: ``d score(u, i) / d m = f_i * (E t_u + b')``.
        """
        size = tf.shape(queries)[0]
        shape = tf.concat([tf.shape(batch["negative"]), [candidates.shape[-1]]], axis=0)
        margins = tf.reduce_sum(queries * candidates[:size], axis=1)[:, tf.newaxis] - tf.einsum(
            "bd,bnd->bn", queries, tf.reshape(candidates[size:], shape)
        )
        tastes = tf.matmul(tf.gather(self.preferences, batch["user"]), self.projection, transpose_b=True)
        tastes = tastes + tf.transpose(self.feature_biases)
        slopes = -tf.sigmoid(-margins) / tf.cast(tf.shape(margins)[1], tf.float32)
        of_interactions = tf.einsum("bn,bnf->bf", slopes, differences) * tastes
        weights = pair_weights(batch)
        if weights is None:
            return tf.math.unsorted_segment_mean(of_interactions, environment, self.environments)
        sums = tf.math.unsorted_segment_sum(of_interactions * weights[:, tf.newaxis], environment, self.environments)
        totals = tf.math.unsorted_segment_sum(weights, environment, self.environments)
        return tf.math.divide_no_nan(sums, totals[:, tf.newaxis])

    def _seen(self, features: tf.Tensor, *, training: bool) -> tf.Tensor:
        """The invariant part of the features."""
        if not training or not self.noise:
            return features * self._gate()
        noise = tf.random.stateless_normal([self.item_content.width], self.generator.make_seeds()[:, 0])
        return features * tf.clip_by_value(self.mask + self.noise * noise, 0.0, 1.0)

    def _gate(self) -> tf.Tensor:
        return tf.clip_by_value(self.mask, 0.0, 1.0)
