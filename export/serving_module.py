"""Everything that serving needs of a trained model, as one module with its signatures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.id_table import IdTable, write_labels
from tf_metammf.export.index import ExactIndex
from tf_metammf.export.new_items import NewItemEncoder
from tf_metammf.export.request_checks import require
from tf_metammf.export.seen_items import SeenItems

Outputs = dict[str, tf.Tensor]


class ServingModule(tf.Module):
    """Embeddings, index, seen items, popularity, ids and the content path of a trained model.

    Known users are ranked by ``e_u . e_i``, users nobody knows by popularity, the items' share of
    the training interactions. They have the row after the last user, whose query is zero.

    The signatures are documented in ``docs/serving.md``. All operations are TensorFlow's own.

    Args:
        model: A trained :class:`tf_metammf.model.MetaMMF`.
        user_ids: Raw user ids by dense id.
        item_ids: Raw item ids by dense id.
        seen: Dense user ids and item ids of the training interactions, two arrays ``[n]``.
        labels: A folder for the label files, needed until the module is saved.

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
    ) -> None:
        super().__init__()
        of_users, of_items = model.embeddings()
        user_embeddings = _embeddings(of_users, user_ids, kind="user")
        item_embeddings = _embeddings(of_items, item_ids, kind="item")
        vectors = _variable("item_embeddings", item_embeddings)
        self._unknown_user = len(user_ids)
        self._users = _id_table(labels / "users.txt", user_ids, kind="user", unknown=self._unknown_user)
        self._items = _id_table(labels / "items.txt", item_ids, kind="item", unknown=-1)
        self._seen = SeenItems(*seen, users=len(user_ids))
        self._queries = _variable("queries", np.pad(user_embeddings, [(0, 1), (0, 0)]))
        self._index = ExactIndex(vectors)
        self._popularity_index = ExactIndex(_variable("popularity", _popularity(seen[1], len(item_ids))[:, np.newaxis]))
        self._inverse_norms = _variable("inverse_norms", _inverse_norms(item_embeddings))
        self._similarity_index = ExactIndex(vectors, scale=self._inverse_norms)
        self._new_items = None if model.item_tower.fusion is None else NewItemEncoder(model)

    def signatures(self, k: int) -> dict[str, Any]:
        """Concrete functions by signature name.

        Args:
            k: Places of ``serving_default`` and ``similar_items``, at least 1; capped by the catalogue.

        Returns:
            ``serving_default``, ``recommend``, ``similar_items`` and, where the model has a fusion,
            ``encode_items`` and ``recommend_new_items``.
        """
        k = min(k, self._index.items)
        user_id = {"user_id": tf.TensorSpec([None], tf.string)}
        item_id = {"item_id": tf.TensorSpec([None], tf.string)}
        request = user_id | {
            "k": tf.TensorSpec([], tf.int32),
            "exclude_item_id": tf.TensorSpec([None, None], tf.string),
            "exclude_seen": tf.TensorSpec([], tf.bool),
        }
        signatures = {
            "serving_default": _trace(lambda user_id: self.recommend_unseen(user_id, k), user_id),
            "recommend": _trace(self.recommend, request),
            "similar_items": _trace(lambda item_id: self.similar_items(item_id, k), item_id),
        }
        if self._new_items is None:
            return signatures
        embed, features = self._new_items.embed, self._new_items.input_specs
        return signatures | {
            "encode_items": _trace(
                lambda **inputs: dict(zip(("embedding", "valid"), embed(inputs), strict=True)), features
            ),
            "recommend_new_items": _trace(
                lambda user_id, **inputs: self.recommend_new_items(user_id, *embed(inputs)), user_id | features
            ),
        }

    def recommend_unseen(self, user_id: tf.Tensor, k: int) -> Outputs:
        """The ``k`` best items for every user among those that the user has not seen in training."""
        users = self._dense_users(user_id)
        found = self._recommend(users, k, excluded=self._seen.pairs(users))
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
            unwanted = self._items.dense(exclude_item_id)
        positions = tf.where(unwanted >= 0)
        unwanted_pairs = tf.stack([positions[:, 0], tf.gather_nd(unwanted, positions)], axis=1)
        k = tf.clip_by_value(k, 0, self._index.items)
        return self._recommend(users, k, excluded=tf.concat([seen, unwanted_pairs], axis=0))

    def similar_items(self, item_id: tf.Tensor, k: int) -> Outputs:
        """The ``k`` items with the largest cosine to every given item, and which of those are known."""
        items = self._items.dense(item_id)
        known = items >= 0
        rows = tf.maximum(items, 0)
        itself = tf.stack([tf.range(tf.size(rows, tf.int64)), rows], axis=1)
        scores, similar = self._similarity_index.search(self._directions(rows), k, excluded=itself)
        return {
            "item_id": self._items.raw(tf.where(known[:, tf.newaxis], similar, -1)),
            "score": tf.where(known[:, tf.newaxis], scores, -float("inf")),
            "known": known,
        }

    def recommend_new_items(self, user_id: tf.Tensor, embeddings: tf.Tensor, valid: tf.Tensor) -> Outputs:
        """Scores of new items for every user, and the places they would take among the unseen items."""
        users = self._dense_users(user_id)
        queries = tf.gather(self._queries, users)
        scores = tf.where(valid, tf.matmul(queries, embeddings, transpose_b=True), -float("inf"))
        places = self._index.places(queries, scores, excluded=self._seen.pairs(users))
        return {
            "score": scores,
            "rank": tf.where(valid, places, 0),
            "known": users < self._unknown_user,
            "valid": valid,
        }

    def _dense_users(self, user_id: tf.Tensor) -> tf.Tensor:
        """Dense user ids; those without training items count as unknown, because their embedding was never trained."""
        users = self._users.dense(user_id)
        return tf.where(self._seen.counts(users) > 0, users, tf.cast(self._unknown_user, users.dtype))

    def _recommend(self, users: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> Outputs:
        known = users < self._unknown_user
        scores, items = self._index.search(tf.gather(self._queries, users), k, excluded=excluded)

        def with_popular() -> tuple[tf.Tensor, tf.Tensor]:
            ones = tf.ones([tf.size(users), 1])
            popular_scores, popular = self._popularity_index.search(ones, k, excluded=excluded)
            is_known = known[:, tf.newaxis]
            return tf.where(is_known, scores, popular_scores), tf.where(is_known, items, popular)

        scores, items = tf.cond(tf.reduce_all(known), lambda: (scores, items), with_popular)
        return {"item_id": self._items.raw(items), "score": scores, "known": known}

    def _directions(self, items: tf.Tensor) -> tf.Tensor:
        """Embeddings of the given items, each divided by its norm."""
        # Gathering from a variable itself would make every later search copy all of it (copy-on-read).
        vectors, inverse_norms = self._index.vectors.read_value(), self._inverse_norms.read_value()
        return tf.gather(vectors, items) * tf.gather(inverse_norms, items)[:, tf.newaxis]


def _trace(function: Callable[..., Outputs], inputs: dict[str, tf.TensorSpec]) -> Any:
    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in inputs.items()}
    return tf.function(function).get_concrete_function(**named)


def _embeddings(embeddings: tf.Tensor, ids: Sequence[str], *, kind: str) -> NDArray[np.float32]:
    values: NDArray[np.float32] = embeddings.numpy()
    if len(values) != len(ids):
        raise InvalidInputError(f"the model has {len(values)} {kind}s, but there are {len(ids)} {kind} ids.")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise InvalidInputError(
            f'the embedding of {kind} "{ids[int(np.argmin(finite))]}" is NaN or infinite. Train the model again, with '
            "a lower training.learning_rate."
        )
    return values


def _id_table(file: Path, ids: Sequence[str], *, kind: str, unknown: int) -> IdTable:
    write_labels(file, ids, kind=kind)
    return IdTable(file, unknown=unknown)


def _variable(name: str, values: NDArray[np.floating]) -> tf.Variable:
    # Not a constant: those are a part of the graph, which may not be larger than 2 GB.
    return tf.Variable(values.astype(np.float32), trainable=False, name=name)


def _popularity(items: NDArray[np.integer], count: int) -> NDArray[np.float64]:
    interactions = np.bincount(np.asarray(items, np.int64), minlength=count)
    return interactions / max(1, interactions.sum())


def _inverse_norms(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(embeddings, axis=1)
    return np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
