"""What serving needs of a baseline, as one module with its signatures: the control arm of an A/B test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Baseline
from tf_metammf.baselines.ials import IALS
from tf_metammf.baselines.item_weights import ItemWeights
from tf_metammf.baselines.popularity import Popularity
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.baseline_scores import BaselineScores, FactorScores, NeighbourScores, PopularityScores
from tf_metammf.export.histories import distinct_pairs
from tf_metammf.export.popular_items import PopularItems
from tf_metammf.export.request_checks import require
from tf_metammf.export.request_signatures import ITEM_ID, Outputs, request_signatures, trace
from tf_metammf.export.seen_items import SeenItems
from tf_metammf.export.serving_module import make_id_table


class BaselineModule(tf.Module):
    """Scores by the training items of a user, seen items, popularity and ids of a baseline.

    Signatures take and return what those of :class:`tf_metammf.export.serving_module.ServingModule` do. Known users,
    and histories with a known item, are ranked by the scores that the evaluation ranks by; everybody else by
    popularity, the items' share of the training interactions.

    Args:
        model: :class:`tf_metammf.baselines.popularity.Popularity`, :class:`tf_metammf.baselines.item_knn.ItemKNN`,
            :class:`tf_metammf.baselines.ease.EASE` or :class:`tf_metammf.baselines.ials.IALS`.
        user_ids: Raw user ids by dense id.
        item_ids: Raw item ids by dense id.
        seen: Dense user ids and item ids of the training interactions, two arrays ``[n]``.
        labels: A folder for the label files, needed until the module is saved.
        k: Places of ``serving_default`` and ``similar_items``, at least 1; capped by the catalogue.

    Raises:
        InvalidInputError: The baseline has no form that can be served, or ids do not fit it.
    """

    def __init__(
        self,
        model: Baseline,
        *,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        seen: tuple[NDArray[np.integer], NDArray[np.integer]],
        labels: Path,
        k: int,
    ) -> None:
        super().__init__()
        self._k = min(k, len(item_ids))
        self._items_count = len(item_ids)
        self._unknown_user = len(user_ids)
        self._users = make_id_table(labels / "users.txt", user_ids, kind="user", unknown=self._unknown_user)
        self._items = make_id_table(labels / "items.txt", item_ids, kind="item", unknown=-1)
        self._seen = SeenItems(*seen, users=len(user_ids))
        self._popular = PopularItems(seen[1], items=len(item_ids))
        self._scores = self._scores_of(model)
        if self._scores.items != len(item_ids):
            raise InvalidInputError(
                f"the model has {self._scores.items} items, but there are {len(item_ids)} item ids."
            )

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name.

        Returns:
            ``serving_default``, ``recommend``, ``recommend_for_history``, ``score`` and, of nearest neighbours,
            ``similar_items``.
        """
        signatures = request_signatures(self)
        if not isinstance(self._scores, PopularityScores):
            signatures["similar_items"] = trace(self.similar_items, ITEM_ID)
        return signatures

    def recommend_unseen(self, user_id: tf.Tensor) -> Outputs:
        """The best items for every user among those that the user has not seen in training."""
        users = self._dense_users(user_id)
        seen = self._seen.pairs(users)
        found = self._recommend(seen, self._k, known=users < self._unknown_user, excluded=seen)
        return {"item_id": found["item_id"], "score": found["score"]}

    def recommend(
        self, user_id: tf.Tensor, k: tf.Tensor, exclude_item_id: tf.Tensor, exclude_seen: tf.Tensor
    ) -> Outputs:
        """The ``k`` best items of every user but the excluded ones, and which users are known."""
        users = self._dense_users(user_id)
        seen = self._seen.pairs(users)
        found, expected = tf.shape(exclude_item_id), tf.size(users)
        message = "exclude_item_id: found {}, expected one row for each of the {} users, padded with empty ids."
        with tf.control_dependencies([require(tf.equal(found[0], expected), message, found, expected)]):
            unwanted = distinct_pairs(self._items.dense(exclude_item_id), self._items_count)
        excluded = tf.concat([tf.boolean_mask(seen, tf.fill([tf.shape(seen)[0]], exclude_seen)), unwanted], axis=0)
        return self._recommend(seen, self._places(k), known=users < self._unknown_user, excluded=excluded)

    def recommend_for_history(self, history_item_id: tf.Tensor, k: tf.Tensor) -> Outputs:
        """The ``k`` best items but those of the history, for users known by their history alone."""
        rows = tf.shape(history_item_id)[0]
        pairs = distinct_pairs(self._items.dense(history_item_id), self._items_count)
        order = tf.argsort(pairs[:, 0] * self._items_count + pairs[:, 1])
        pairs = tf.gather(pairs, order)
        known = tf.math.unsorted_segment_sum(tf.ones_like(pairs[:, 0]), pairs[:, 0], rows) > 0
        return self._recommend(pairs, self._places(k), known=known, excluded=pairs)

    def similar_items(self, item_id: tf.Tensor) -> Outputs:
        """The nearest neighbours of every given item, most similar first, and which of those items are known."""
        items = self._items.dense(item_id)
        known = items >= 0
        scores, similar = self._scores.similar(tf.maximum(items, 0), self._k)  # type: ignore[attr-defined]
        return {
            "item_id": self._items.raw(tf.where(known[:, tf.newaxis], similar, -1)),
            "score": tf.where(known[:, tf.newaxis], scores, -float("inf")),
            "known": known,
        }

    def score(self, user_id: tf.Tensor, item_id: tf.Tensor) -> Outputs:
        """The score of every pair of a user and an item, and which users and items are known."""
        found, expected = tf.size(item_id), tf.size(user_id)
        message = "item_id: found {} items, expected one for each of the {} users."
        with tf.control_dependencies([require(tf.equal(found, expected), message, found, expected)]):
            users, items = self._dense_users(user_id), self._items.dense(item_id)
        known_user, known_item = users < self._unknown_user, items >= 0
        rows = tf.maximum(items, 0)
        scores = tf.where(known_user, self._scores.of(self._seen.pairs(users), rows), self._popular.shares(rows))
        return {
            "score": tf.where(known_item, scores, -float("inf")),
            "known_user": known_user,
            "known_item": known_item,
        }

    def _scores_of(self, model: Baseline) -> BaselineScores:
        if isinstance(model, Popularity):
            return PopularityScores(model.frequency.numpy(), self._popular)
        if isinstance(model, ItemWeights):
            return NeighbourScores(model.neighbours.numpy(), model.similarity.numpy())
        if isinstance(model, IALS):
            return FactorScores(model)
        raise InvalidInputError(
            f"{type(model).__name__} cannot be exported: of the baselines, Popularity, ItemKNN, EASE and IALS have a "
            "form that can be served."
        )

    def _dense_users(self, user_id: tf.Tensor) -> tf.Tensor:
        """Dense user ids; those without training items count as unknown."""
        users = self._users.dense(user_id)
        return tf.where(self._seen.counts(users) > 0, users, tf.cast(self._unknown_user, users.dtype))

    def _places(self, k: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(k, 0, self._items_count)

    def _recommend(self, pairs: tf.Tensor, k: int | tf.Tensor, *, known: tf.Tensor, excluded: tf.Tensor) -> Outputs:
        scores, items = self._scores.search(pairs, tf.size(known), k, excluded=excluded)
        popular_scores, popular = self._popular.search(tf.size(known), k, excluded=excluded)
        is_known = known[:, tf.newaxis]
        items = tf.where(is_known, items, popular)
        return {
            "item_id": self._items.raw(items),
            "score": tf.where(is_known, scores, popular_scores),
            "known": known,
        }
