"""Everything that serving needs of a trained model, as one module with its signatures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.histories import HistoryEncoder, distinct_pairs
from tf_metammf.export.id_table import IdTable, write_labels
from tf_metammf.export.indices import IndexOptions, Indices
from tf_metammf.export.new_items import NewItemEncoder
from tf_metammf.export.popular_items import PopularItems
from tf_metammf.export.request_checks import require
from tf_metammf.export.request_signatures import ITEM_ID, USER_ID, Outputs, request_signatures, trace
from tf_metammf.export.seen_items import SeenItems
from tf_metammf.fusion.modality_shares import catalogue_shares


class ServingModule(tf.Module):
    """Embeddings, indices, seen items, popularity, ids and the content path of a trained model.

    Known users are ranked by ``e_u . e_i``, users nobody knows by popularity, the items' share of
    the training interactions. They have the row after the last user, whose query is zero.

    The signatures are documented in ``docs/serving.md``. All operations are TensorFlow's own.

    Args:
        model: A trained :class:`tf_metammf.model.MetaMMF`.
        user_ids: Raw user ids by dense id.
        item_ids: Raw item ids by dense id.
        seen: Dense user ids and item ids of the training interactions, two arrays ``[n]``.
        labels: A folder for the label files, needed until the module is saved.
        k: Places of ``serving_default`` and ``similar_items``, at least 1; capped by the catalogue.
        index: How the best items are found. Defaults to exactly.
        untrained: bool ``[users]``: users who came after training, who have no embedding of their own. Their
            interactions are taken for a history, unless the encoder has propagated to them. Defaults to nobody.

    Attributes:
        indices: The indices, with what was measured of them.

    Raises:
        InvalidInputError: Ids do not fit the model, or an embedding is NaN or infinite.
    """

    def __init__(
        self,
        model: Any,
        *,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        seen: tuple[NDArray[np.integer], NDArray[np.integer]],
        labels: Path,
        k: int,
        index: IndexOptions | None = None,
        untrained: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__()
        of_users, of_items = model.embeddings()
        users = _embeddings(of_users, user_ids, kind="user")
        items = _embeddings(of_items, item_ids, kind="item")
        self._k = min(k, len(items))
        self._unknown_user = len(user_ids)
        self._users = make_id_table(labels / "users.txt", user_ids, kind="user", unknown=self._unknown_user)
        self._items = make_id_table(labels / "items.txt", item_ids, kind="item", unknown=-1)
        self._seen = SeenItems(*seen, users=len(user_ids))
        self._popular = PopularItems(seen[1], items=len(item_ids))
        self.indices = Indices(index or IndexOptions(), users=users, items=items, seen=seen, k=self._k)
        untrained = np.zeros(len(users), bool) if untrained is None else untrained
        self._histories = HistoryEncoder(
            model, rows=self.indices.scores.rows, users=users, items=items, seen=seen, trained=~untrained
        )
        if self._histories.is_linear and untrained.any():
            users[untrained] = self._histories.of_users(untrained, seen)
        # A variable, not a constant: those are a part of the graph, which may not be larger than 2 GB.
        self._queries = tf.Variable(np.pad(users, [(0, 1), (0, 0)]), trainable=False, name="queries")
        self._new_items = NewItemEncoder(model) if model.embeds_new_items else None
        if self._new_items is not None:
            self._modalities = self._new_items.modalities
            self._shares = tf.Variable(catalogue_shares(model), trainable=False, name="modality_shares")

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name.

        Returns:
            ``serving_default``, ``recommend``, ``recommend_for_history``, ``similar_items``, ``score`` and, where
            the model has a fusion, ``explain_items``, ``encode_items``, ``recommend_new_items`` and
            ``explain_new_items``.
        """
        signatures = request_signatures(self) | {"similar_items": trace(self.similar_items, ITEM_ID)}
        if self._new_items is None:
            return signatures
        embed, features = self._new_items.embed, self._new_items.input_specs
        return signatures | {
            "explain_items": trace(self.explain_items, ITEM_ID),
            "encode_items": trace(
                lambda **inputs: dict(zip(("embedding", "valid"), embed(inputs), strict=True)), features
            ),
            "recommend_new_items": trace(
                lambda user_id, **inputs: self.recommend_new_items(user_id, *embed(inputs)), USER_ID | features
            ),
            "explain_new_items": trace(lambda **inputs: self.explain_new_items(inputs), features),
        }

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
            unwanted = distinct_pairs(self._items.dense(exclude_item_id), self.indices.scores.items)
        excluded = tf.concat([seen, unwanted], axis=0)
        return self._recommend(
            self._queries_of(users), self._places(k), known=self._are_known(users), excluded=excluded
        )

    def recommend_for_history(self, history_item_id: tf.Tensor, k: tf.Tensor) -> Outputs:
        """The ``k`` best items but those of the history, for users who are nothing but their history."""
        pairs = distinct_pairs(self._items.dense(history_item_id), self.indices.scores.items)
        rows = tf.shape(history_item_id)[0]
        known = tf.math.unsorted_segment_sum(tf.ones_like(pairs[:, 0]), pairs[:, 0], rows) > 0
        queries = self._histories.queries(pairs, rows)
        return self._recommend(queries, self._places(k), known=known, excluded=pairs)

    def similar_items(self, item_id: tf.Tensor) -> Outputs:
        """The items with the largest cosine to every given item, and which of those are known."""
        items = self._items.dense(item_id)
        known = items >= 0
        rows = tf.maximum(items, 0)
        itself = tf.stack([tf.range(tf.size(rows, tf.int64)), rows], axis=1)
        directions = tf.math.l2_normalize(self.indices.scores.rows(rows), axis=-1)
        scores, similar = self.indices.similarity.search(directions, self._k, excluded=itself)
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
        products = tf.reduce_sum(self._queries_of(users) * self.indices.scores.rows(rows), axis=1)
        scores = tf.where(known_user, products, self._popular.shares(rows))
        return {
            "score": tf.where(known_item, scores, -float("inf")),
            "known_user": known_user,
            "known_item": known_item,
        }

    def recommend_new_items(self, user_id: tf.Tensor, embeddings: tf.Tensor, valid: tf.Tensor) -> Outputs:
        """Scores of new items for every user, and the places they would take among the unseen items."""
        users = self._dense_users(user_id)
        queries = self._queries_of(users)
        scores = tf.where(valid, tf.matmul(queries, embeddings, transpose_b=True), -float("inf"))
        places = self.indices.scores.places(queries, scores, excluded=self._seen.pairs(users))
        return {
            "score": scores,
            "rank": tf.where(valid, places, 0),
            "known": self._are_known(users),
            "valid": valid,
        }

    def explain_items(self, item_id: tf.Tensor) -> Outputs:
        """The share of each modality in the fused vector of every item, and which items are known."""
        items = self._items.dense(item_id)
        known = items >= 0
        shares = tf.where(known[:, tf.newaxis], tf.gather(self._shares, tf.maximum(items, 0)), 0.0)
        return {"modality": self._labels(shares), "share": shares, "known": known}

    def explain_new_items(self, inputs: dict[str, tf.Tensor]) -> Outputs:
        """The same of new items."""
        shares, valid = self._new_items.explain(inputs)  # type: ignore[union-attr]
        return {"modality": self._labels(shares), "share": shares, "valid": valid}

    def _labels(self, shares: tf.Tensor) -> tf.Tensor:
        return tf.repeat(tf.constant([self._modalities]), tf.shape(shares)[0], axis=0)

    def _dense_users(self, user_id: tf.Tensor) -> tf.Tensor:
        """Dense user ids; those without training items count as unknown, because their embedding was never trained."""
        users = self._users.dense(user_id)
        return tf.where(self._seen.counts(users) > 0, users, tf.cast(self._unknown_user, users.dtype))

    def _are_known(self, users: tf.Tensor) -> tf.Tensor:
        return users < self._unknown_user

    def _queries_of(self, users: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._queries, users)

    def _places(self, k: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(k, 0, self.indices.scores.items)

    def _recommend(self, queries: tf.Tensor, k: int | tf.Tensor, *, known: tf.Tensor, excluded: tf.Tensor) -> Outputs:
        scores, items = self.indices.scores.search(queries, k, excluded=excluded)

        def with_popular() -> tuple[tf.Tensor, tf.Tensor]:
            popular_scores, popular = self._popular.search(tf.size(known), k, excluded=excluded)
            is_known = known[:, tf.newaxis]
            return tf.where(is_known, scores, popular_scores), tf.where(is_known, items, popular)

        scores, items = tf.cond(tf.reduce_all(known), lambda: (scores, items), with_popular)
        return {"item_id": self._items.raw(items), "score": scores, "known": known}


def _embeddings(embeddings: tf.Tensor, ids: Sequence[str], *, kind: str) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.array(embeddings)
    if len(values) != len(ids):
        raise InvalidInputError(f"the model has {len(values)} {kind}s, but there are {len(ids)} {kind} ids.")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise InvalidInputError(
            f'the embedding of {kind} "{ids[int(np.argmin(finite))]}" is NaN or infinite. Train the model again, with '
            "a lower training.learning_rate."
        )
    return values


def make_id_table(file: Path, ids: Sequence[str], *, kind: str, unknown: int) -> IdTable:
    """The table of raw ids in a label file that is written here."""
    write_labels(file, ids, kind=kind)
    return IdTable(file, unknown=unknown)
