"""Everything that serving needs of a trained model, as one module with its signatures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.attention import Attention, catalogue_attention
from tf_metammf.export.histories import HistoryEncoder
from tf_metammf.export.indices import IndexOptions, Indices
from tf_metammf.export.new_items import NewItemEncoder
from tf_metammf.export.recommending_module import Found, RecommendingModule
from tf_metammf.export.request_signatures import ITEM_ID, USER_ID, Outputs, trace
from tf_metammf.export.reranking_options import RerankingOptions
from tf_metammf.export.served_attention import ServedAttention
from tf_metammf.fusion.modality_shares import catalogue_shares


class ServingModule(RecommendingModule):
    """Embeddings, indices, seen items, popularity, ids and the content path of a trained model.

    Known users are ranked by ``e_u . e_i``, unknown users by popularity, the items' share of the training
    interactions. The query of an unknown user is zero.

    The signatures are documented in ``docs/serving.md``. All operations are TensorFlow's own.

    Args:
        model: A trained :class:`tf_metammf.model.MetaMMF`.
        user_ids: Raw user ids by dense id.
        item_ids: Raw item ids by dense id.
        seen: Dense user ids and item ids of the training interactions, two arrays ``[n]``.
        labels: A folder for the label files, needed until the module is saved.
        k: Places of ``serving_default`` and ``similar_items``, at least 1; capped by the catalogue.
        popularity: What items are popular by, ``[items]``; by default their training interactions.
        index: How the best items are found. Defaults to exactly.
        untrained: bool ``[users]``: users who came after training, who have no embedding of their own. Their
            interactions are taken for a history, unless the encoder has propagated to them. Defaults to none.

    Attributes:
        attention: Attention of the fusion to the moments of all items; None where it has none.
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
        popularity: NDArray[np.number] | None = None,
        index: IndexOptions | None = None,
        untrained: NDArray[np.bool_] | None = None,
        reranking: RerankingOptions | None = None,
    ) -> None:
        of_users, of_items = model.embeddings()
        users = _embeddings(of_users, user_ids, kind="user")
        items = _embeddings(of_items, item_ids, kind="item")
        super().__init__(
            user_ids=user_ids,
            item_ids=item_ids,
            seen=seen,
            labels=labels,
            k=k,
            popularity=popularity,
            reranking=reranking,
            directions=self._directions,
        )
        self.indices = Indices(index or IndexOptions(), users=users, items=items, seen=seen, k=self._searched(self._k))
        untrained = np.zeros(len(users), bool) if untrained is None else untrained
        self._histories = HistoryEncoder(
            model, rows=self.indices.scores.rows, users=users, items=items, seen=seen, trained=~untrained
        )
        if self._histories.replaces_untrained and untrained.any():
            users[untrained] = self._histories.of_users(untrained, seen)
        # A variable, not a constant: those are a part of the graph, which may not be larger than 2 GB.
        self._queries = tf.Variable(np.pad(users, [(0, 1), (0, 0)]), trainable=False, name="queries")
        self.attention: Attention | None = None
        self._new_items = NewItemEncoder(model) if model.embeds_new_items else None
        if self._new_items is not None:
            self._modalities = self._new_items.modalities
            self.attention = catalogue_attention(model)
            self._attention = None if self.attention is None else ServedAttention(self.attention)
            self._shares = tf.Variable(catalogue_shares(model), trainable=False, name="modality_shares")

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name.

        Returns:
            ``serving_default``, ``recommend``, ``recommend_for_history``, ``similar_items``, ``score`` and, where
            the model has a fusion, ``explain_items``, ``encode_items``, ``recommend_new_items``,
            ``explain_new_items`` and ``similar_to_new_items``.
        """
        signatures = super().signatures() | {"similar_items": trace(self.similar_items, ITEM_ID)}
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
            "similar_to_new_items": trace(lambda **inputs: self.similar_to_new_items(*embed(inputs)), features),
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

    def similar_items(self, item_id: tf.Tensor) -> Outputs:
        """The items most similar to every given item by cosine, and which of those are known."""
        return self._similar_items(item_id, self._similar)

    def explain_items(self, item_id: tf.Tensor) -> Outputs:
        """The share of each modality in the fused vector of every item, attention to moments, and which are known."""
        items = self._items.dense(item_id)
        known = items >= 0
        shares = tf.where(known[:, tf.newaxis], tf.gather(self._shares, tf.maximum(items, 0)), 0.0)
        attention = {} if self._attention is None else self._attention.of(items)
        return {"modality": self._labels(shares), "share": shares, "known": known, **attention}

    def explain_new_items(self, inputs: dict[str, tf.Tensor]) -> Outputs:
        """The same of new items."""
        shares, valid, attention = self._new_items.explain(inputs)  # type: ignore[union-attr]
        return {"modality": self._labels(shares), "share": shares, "valid": valid, **attention}

    def similar_to_new_items(self, embeddings: tf.Tensor, valid: tf.Tensor) -> Outputs:
        """The items of the catalogue most similar to every new item, by cosine."""
        directions = tf.math.l2_normalize(tf.where(valid[:, tf.newaxis], embeddings, 0.0), axis=-1)
        nothing = tf.zeros([0, 2], tf.int64)
        scores, similar = self.indices.similarity.search(directions, self._k, excluded=nothing)
        return {
            "item_id": self._items.raw(tf.where(valid[:, tf.newaxis], similar, -1)),
            "score": tf.where(valid[:, tf.newaxis], scores, -float("inf")),
            "valid": valid,
        }

    def _labels(self, shares: tf.Tensor) -> tf.Tensor:
        return tf.repeat(tf.constant([self._modalities]), tf.shape(shares)[0], axis=0)

    def _queries_of(self, users: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._queries, users)

    def _queries_of_histories(self, pairs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return self._histories.queries(pairs, rows)

    def _search(self, queries: tf.Tensor, rows: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> Found:
        return self.indices.scores.search(queries, k, excluded=excluded)

    def _scores_of(self, queries: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(queries * self.indices.scores.rows(items), axis=1)

    def _directions(self, items: tf.Tensor) -> tf.Tensor:
        return tf.math.l2_normalize(self.indices.scores.rows(items), axis=-1)

    def _similar(self, items: tf.Tensor) -> Found:
        itself = tf.stack([tf.range(tf.size(items, tf.int64)), items], axis=1)
        return self.indices.similarity.search(self._directions(items), self._k, excluded=itself)


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
