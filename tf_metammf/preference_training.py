"""A retrieval model that learns from preferences: how a step embeds them, and what is logged of them."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, cast

import tensorflow as tf

from tf_metammf.auxiliary_training import AuxiliaryTraining
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.objectives.preference import Preference


class PreferenceTraining(AuxiliaryTraining):
    """A retrieval model whose objective may take preferences, :class:`tf_metammf.objectives.preference.Preference`."""

    @abstractmethod
    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        neighbourhood: Mapping[str, Any] | None = None,
        item_features: Mapping[str, Any] | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings of dense user ids and distinct item ids, by default without dropout."""

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """A training step; logs what was measured of the preferences, beside the loss."""
        logs = super().train_step(inputs)
        measured = self.objective.metrics if self.objective.takes_preferences else []
        return logs | {metric.name: metric.result() for metric in measured}

    def _preference_loss(self, inputs: Batch) -> tf.Tensor:
        """The loss of the preferences of a batch, which are embedded as they are served: without dropout."""
        pairs = inputs.get("preference")
        if pairs is None:
            raise InvalidInputError(
                f'{type(self.objective).__name__} found no "preference" in the batch. Train on a record set with '
                "preferences, with tf_metammf.trainer.train."
            )
        users, user_place = tf.unique(pairs["user"])
        items = tf.concat([pairs["chosen"], tf.reshape(pairs["rejected"], [-1])], axis=0)
        items, place = tf.unique(items)
        of_users, of_items = self.embed(users, items)
        count = tf.size(user_place)
        objective = cast(Preference, self.objective)
        return objective.pair_loss(
            tf.gather(of_users, user_place),
            tf.gather(of_items, place[:count]),
            tf.gather(of_items, tf.reshape(place[count:], tf.shape(pairs["rejected"]))),
            pairs,
        )
