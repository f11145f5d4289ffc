"""What serving does alike for models and baselines: ids, exclusions, popular items for unknown users, signatures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.export.histories import distinct_pairs
from tf_metammf.export.id_table import IdTable, write_labels
from tf_metammf.export.popular_items import PopularItems
from tf_metammf.export.request_checks import require
from tf_metammf.export.request_signatures import Outputs, request_signatures
from tf_metammf.export.reranking import Directions, Reranking
from tf_metammf.export.reranking_options import RerankingOptions
from tf_metammf.export.seen_items import SeenItems

Found = tuple[tf.Tensor, tf.Tensor]
"""Scores, float32 ``[rows, k]``, and dense items, int64 ``[rows, k]``; -inf and -1 where none is left."""


class RecommendingModule(tf.Module, ABC):
    """Ids, seen items and popularity, with the signatures that all exports share.

    Known users are ranked by the scores of a subclass, unknown users by popularity, the items' share of the training
    interactions. Users without training items count as unknown. They have the dense id after the last user.

    A subclass turns users and histories into *queries*, for instance embeddings or the items that a user has, and finds
    and scores items by them.

    Args:
        user_ids: Raw user ids by dense id.
        item_ids: Raw item ids by dense id.
        seen: Dense user ids and item ids of the training interactions, two arrays ``[n]``.
        labels: A folder for the label files, needed until the module is saved.
        k: Places of ``serving_default`` and ``similar_items``, at least 1; capped by the catalogue.
        popularity: What items are popular by, ``[items]``; by default their training interactions.
        reranking: How the best items of known users and of histories are ordered once more; None for by score.
        directions: Unit vectors of dense items, for re-ranking; None where the model has none.

    Raises:
        InvalidInputError: Ids cannot be written as labels, or there is nothing to re-rank by.
    """

    def __init__(
        self,
        *,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        seen: tuple[NDArray[np.integer], NDArray[np.integer]],
        labels: Path,
        k: int,
        popularity: NDArray[np.number] | None = None,
        reranking: RerankingOptions | None = None,
        directions: Directions | None = None,
    ) -> None:
        super().__init__()
        self._k = min(k, len(item_ids))
        self._items_count = len(item_ids)
        self._unknown_user = len(user_ids)
        self._users = _id_table(labels / "users.txt", user_ids, kind="user", unknown=self._unknown_user)
        self._items = _id_table(labels / "items.txt", item_ids, kind="item", unknown=-1)
        self._seen = SeenItems(*seen, users=len(user_ids))
        self._popular = PopularItems(seen[1], items=len(item_ids), popularity=popularity)
        self._reranking = None
        if reranking is not None and reranking.changes_order:
            reranking.require_places(self._k)
            frequency = np.bincount(seen[1], minlength=len(item_ids))
            self._reranking = Reranking(reranking, item_frequency=frequency, vectors=directions)

    @abstractmethod
    def _queries_of(self, users: tf.Tensor) -> Any:
        """Queries of dense users, int64 ``[rows]``; that of an unknown user does not matter."""

    @abstractmethod
    def _queries_of_histories(self, pairs: tf.Tensor, rows: tf.Tensor) -> Any:
        """Queries of histories, given as distinct pairs of row and dense item, int64 ``[m, 2]``."""

    @abstractmethod
    def _search(self, queries: Any, rows: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> Found:
        """The ``k`` best items of every query but the excluded pairs of row and item."""

    @abstractmethod
    def _scores_of(self, queries: Any, items: tf.Tensor) -> tf.Tensor:
        """The score of one dense item, int64 ``[rows]``, for every query, float32 ``[rows]``."""

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name.

        Returns:
            ``serving_default``, ``recommend``, ``recommend_for_history`` and ``score``.
        """
        return request_signatures(self)

    def recommend_unseen(self, user_id: tf.Tensor) -> Outputs:
        """The best items for every user among those that the user has not seen in training."""
        users = self._dense_users(user_id)
        found = self._recommend(
            self._queries_of(users), self._k, known=self._are_known(users), excluded=self._seen.pairs(users)
        )
        return {"item_id": found["item_id"], "score": found["score"]}

    def recommend(
        self, user_id: tf.Tensor, k: tf.Tensor, exclude_item_id: tf.Tensor, exclude_seen: tf.Tensor
    ) -> Outputs:
        """The ``k`` best items of every user but the excluded ones, and which users are known."""
        users = self._dense_users(user_id)
        seen = self._seen.pairs(tf.where(exclude_seen, users, self._unknown_user))
        found, expected = tf.shape(exclude_item_id), tf.size(users)
        message = "exclude_item_id: found {}, expected one row for each of the {} users, padded with empty ids."
        with tf.control_dependencies([require(tf.equal(found[0], expected), message, found, expected)]):
            unwanted = distinct_pairs(self._items.dense(exclude_item_id), self._items_count)
        excluded = tf.concat([seen, unwanted], axis=0)
        return self._recommend(
            self._queries_of(users), self._places(k), known=self._are_known(users), excluded=excluded
        )

    def recommend_for_history(self, history_item_id: tf.Tensor, k: tf.Tensor) -> Outputs:
        """The ``k`` best items but those of the history, for users known by their history alone."""
        pairs = distinct_pairs(self._items.dense(history_item_id), self._items_count)
        rows = tf.shape(history_item_id)[0]
        known = tf.math.unsorted_segment_sum(tf.ones_like(pairs[:, 0]), pairs[:, 0], rows) > 0
        queries = self._queries_of_histories(pairs, rows)
        return self._recommend(queries, self._places(k), known=known, excluded=pairs)

    def _similar_items(self, item_id: tf.Tensor, search: Callable[[tf.Tensor], Found]) -> Outputs:
        """The items most similar to every given item, and which of those are known.

        Args:
            item_id: Raw ids, string ``[rows]``.
            search: Finds the items most similar to dense items, int64 ``[rows]``.
        """
        items = self._items.dense(item_id)
        known = items >= 0
        scores, similar = search(tf.maximum(items, 0))
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
        known_user, known_item = self._are_known(users), items >= 0
        rows = tf.maximum(items, 0)
        scores = tf.where(known_user, self._scores_of(self._queries_of(users), rows), self._popular.shares(rows))
        return {
            "score": tf.where(known_item, scores, -float("inf")),
            "known_user": known_user,
            "known_item": known_item,
        }

    def _dense_users(self, user_id: tf.Tensor) -> tf.Tensor:
        """Dense user ids; those without training items count as unknown, because their embedding was never trained."""
        users = self._users.dense(user_id)
        return tf.where(self._seen.counts(users) > 0, users, tf.cast(self._unknown_user, users.dtype))

    def _are_known(self, users: tf.Tensor) -> tf.Tensor:
        return users < self._unknown_user

    def _places(self, k: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(k, 0, self._items_count)

    def _recommend(self, queries: Any, k: int | tf.Tensor, *, known: tf.Tensor, excluded: tf.Tensor) -> Outputs:
        scores, items = self._best(queries, tf.size(known), k, excluded=excluded)

        def with_popular() -> Found:
            popular_scores, popular = self._popular.search(tf.size(known), k, excluded=excluded)
            is_known = known[:, tf.newaxis]
            return tf.where(is_known, scores, popular_scores), tf.where(is_known, items, popular)

        scores, items = tf.cond(tf.reduce_all(known), lambda: (scores, items), with_popular)
        return {"item_id": self._items.raw(items), "score": scores, "known": known}

    def _best(self, queries: Any, rows: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> Found:
        found = self._search(queries, rows, self._searched(k), excluded=excluded)
        return found if self._reranking is None else self._reranking.best(*found, k)

    def _searched(self, k: int | tf.Tensor) -> int | tf.Tensor:
        """How many items are searched for ``k`` places."""
        return k if self._reranking is None else self._reranking.candidates(k)


def _id_table(file: Path, ids: Sequence[str], *, kind: str, unknown: int) -> IdTable:
    """The table of raw ids in a label file that is written here."""
    write_labels(file, ids, kind=kind)
    return IdTable(file, unknown=unknown)
