"""Scores of baselines from the items that a user has, of TensorFlow's own operations."""

import math
from abc import abstractmethod
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Borrowed
from tf_metammf.baselines.ials import IALS
from tf_metammf.export.index import SCORES_AT_ONCE
from tf_metammf.export.popular_items import PopularItems
from tf_metammf.ranking.top_items import top_items

Found = tuple[tf.Tensor, tf.Tensor]
"""Scores, float32 ``[rows, k]``, and items, int64 ``[rows, k]``; -inf and -1 where none is left."""


class BaselineScores(Protocol):
    """Scores of items for rows of items that a user has, by pairs int64 ``[m, 2]`` of row and item, in their order."""

    items: int

    def search(self, pairs: tf.Tensor, rows: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> Found:
        """The ``k`` best items of every row but the excluded pairs; of equal scores the lower item comes first."""

    def of(self, pairs: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """The score of one item, int64 ``[rows]``, for every row."""


class PopularityScores(tf.Module):
    """The number of training interactions of every item, whatever the user has.

    Args:
        frequency: Training interactions, float32 ``[items]``.
        popular: The same items in order.
    """

    def __init__(self, frequency: NDArray[np.float32], popular: PopularItems) -> None:
        super().__init__()
        self.items = len(frequency)
        self._popular = popular
        self._frequency = tf.Variable(frequency, trainable=False, name="frequency")

    def search(self, pairs: tf.Tensor, rows: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> Found:
        """As :class:`BaselineScores` has it."""
        _, items = self._popular.search(rows, k, excluded=excluded)
        counts = tf.gather(self._frequency.read_value(), tf.maximum(items, 0))
        return tf.where(items >= 0, counts, -math.inf), items

    def of(self, pairs: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """As :class:`BaselineScores` has it."""
        return tf.gather(self._frequency.read_value(), items)


class HistoryScores(tf.Module):
    """Scores of all items by the items that a user has, and the best of them.

    Attributes:
        items: Number of items.
        rows_at_once: Rows whose scores of all items fit into memory.
    """

    items: int
    rows_at_once: int

    def search(self, pairs: tf.Tensor, rows: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> Found:
        """As :class:`BaselineScores` has it; rows in groups, so that their scores of all items fit into memory."""
        places = k if isinstance(k, int) else None
        specs = (tf.TensorSpec([None, places], tf.float32), tf.TensorSpec([None, places], tf.int64))

        def group(number: tf.Tensor, *found: tf.TensorArray) -> tuple[tf.Tensor, ...]:
            first = number * self.rows_at_once
            count = tf.minimum(self.rows_at_once, rows - first)
            best = self._best(_within(pairs, first, count), count, k, _within(excluded, first, count))
            return number + 1, *(array.write(number, part) for array, part in zip(found, best, strict=True))

        def in_turn() -> Found:
            groups = -(-rows // self.rows_at_once)
            arrays = [
                tf.TensorArray(spec.dtype, size=groups, element_shape=spec.shape, infer_shape=False) for spec in specs
            ]
            found = tf.while_loop(
                lambda number, *_: number < groups, group, (tf.constant(0), *arrays), parallel_iterations=1
            )[1:]
            return found[0].concat(), found[1].concat()

        found = tf.cond(rows <= self.rows_at_once, lambda: self._best(pairs, rows, k, excluded), in_turn)
        return tf.ensure_shape(found[0], specs[0].shape), tf.ensure_shape(found[1], specs[1].shape)

    @abstractmethod
    def similar(self, items: tf.Tensor, k: int) -> Found:
        """At most ``k`` items that are most similar to each of some items, int64 ``[rows]``."""

    @abstractmethod
    def all(self, pairs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Scores of all items, float32 ``[rows, items]``."""

    def _best(self, pairs: tf.Tensor, rows: tf.Tensor, k: int | tf.Tensor, excluded: tf.Tensor) -> Found:
        # An update with one and the same value does not mind pairs that occur twice.
        scores = tf.tensor_scatter_nd_update(
            self.all(pairs, rows), excluded, tf.fill([tf.shape(excluded)[0]], -math.inf)
        )
        best, items = top_items(scores, k)
        return best, tf.where(best > -math.inf, tf.cast(items, tf.int64), -1)


class NeighbourScores(HistoryScores):
    """``score(u, i) = sum of s_ij`` over the items ``j`` that a user has among the neighbours of ``i``.

    A row reads the items that have one of its items for a neighbour, and not the whole table.

    Args:
        neighbours: The neighbours of every item, in their order, int64 ``[items, n]``.
        similarity: ``s_ij``, float32 ``[items, n]``.
        borrowed: Items that are scored as sums of others; in a history each stands for these, with weights that sum
            to 1. None where there are none.
    """

    def __init__(
        self, neighbours: NDArray[np.int64], similarity: NDArray[np.float32], borrowed: Borrowed | None = None
    ) -> None:
        super().__init__()
        self.items, count = neighbours.shape
        self._stand_ins = None if borrowed is None else StandIns(borrowed, self.items)
        order = np.argsort(neighbours, axis=None, kind="stable")
        starts = np.searchsorted(neighbours.ravel()[order], np.arange(self.items + 1))
        self._neighbours = tf.Variable(neighbours.astype(np.int32), trainable=False, name="neighbours")
        self._similarity = tf.Variable(similarity, trainable=False, name="similarity")
        self._starts = tf.Variable(starts.astype(np.int64), trainable=False, name="neighbour_starts")
        self._of = tf.Variable((order // max(count, 1)).astype(np.int32), trainable=False, name="neighbour_of")
        self._weights = tf.Variable(similarity.ravel()[order], trainable=False, name="neighbour_weights")
        if borrowed is not None:
            neighbours, similarity = _with_summed_rows(neighbours, similarity, borrowed)
        best = np.argsort(-similarity, axis=1, kind="stable")
        closest = np.take_along_axis(similarity, best, axis=1)
        self._closest = tf.Variable(
            np.where(closest > 0, np.take_along_axis(neighbours, best, axis=1), -1).astype(np.int32),
            trainable=False,
            name="closest",
        )
        self._closest_similarity = tf.Variable(
            np.where(closest > 0, closest, -np.inf).astype(np.float32), trainable=False, name="closest_similarity"
        )
        self.rows_at_once = max(1, SCORES_AT_ONCE // max(1, self.items))

    def of(self, pairs: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """As :class:`BaselineScores` has it."""
        pairs, weights = self._history(pairs)
        has = tf.concat([pairs[:, 0] * self.items + pairs[:, 1], [tf.int64.max]], axis=0)
        scored, shares = items[:, tf.newaxis], tf.ones([tf.size(items), 1])
        if self._stand_ins is not None:
            scored, shares = self._stand_ins.scored(items)
        neighbours = tf.cast(tf.gather(self._neighbours.read_value(), scored), tf.int64)
        row = tf.range(tf.size(items, tf.int64))[:, tf.newaxis, tf.newaxis]
        wanted = row * self.items + neighbours
        place = tf.searchsorted(has, tf.reshape(wanted, [-1]))
        is_there = tf.equal(tf.gather(has, place), tf.reshape(wanted, [-1]))
        of_history = tf.where(is_there, tf.gather(tf.concat([weights, [0.0]], axis=0), place), 0.0)
        similarity = tf.gather(self._similarity.read_value(), scored)
        sums = tf.reduce_sum(similarity * tf.reshape(of_history, tf.shape(wanted)), axis=2)
        return tf.reduce_sum(shares * sums, axis=1)

    def similar(self, items: tf.Tensor, k: int) -> Found:
        """The most similar neighbours of items, int64 ``[rows]``, at most ``k`` of them."""
        scores = tf.gather(self._closest_similarity.read_value(), items)[:, :k]
        similar = tf.cast(tf.gather(self._closest.read_value(), items)[:, :k], tf.int64)
        padding = [[0, 0], [0, max(0, k - int(scores.shape[1]))]]
        return tf.pad(scores, padding, constant_values=-math.inf), tf.pad(similar, padding, constant_values=-1)

    def all(self, pairs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Scores of all items, float32 ``[rows, items]``."""
        pairs, shares = self._history(pairs)
        starts = self._starts.read_value()
        entries = tf.ragged.range(tf.gather(starts, pairs[:, 1]), tf.gather(starts, pairs[:, 1] + 1))
        row = tf.repeat(pairs[:, 0], entries.row_lengths())
        item = tf.cast(tf.gather(self._of.read_value(), entries.values), tf.int64)
        weights = tf.gather(self._weights.read_value(), entries.values) * tf.repeat(shares, entries.row_lengths())
        count = tf.cast(rows, tf.int64) * self.items
        sums = tf.reshape(tf.math.unsorted_segment_sum(weights, row * self.items + item, count), [-1, self.items])
        scores = sums if self._stand_ins is None else self._stand_ins.scores(sums)
        return tf.ensure_shape(scores, [None, self.items])

    def _history(self, pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pairs of row and item, in their order, and how much of each item a row has."""
        if self._stand_ins is None:
            return pairs, tf.ones_like(pairs[:, 0], tf.float32)
        return self._stand_ins.history(pairs)


class StandIns(tf.Module):
    """What stands for items that borrow, where they are scored and where a user has them.

    Args:
        borrowed: Who borrows of whom, at least one.
        items: Number of items.
    """

    def __init__(self, borrowed: Borrowed, items: int) -> None:
        super().__init__()
        self._items, self._count = items, borrowed.lenders.shape[1]
        lenders = np.repeat(np.arange(items)[:, np.newaxis], self._count, axis=1)
        weights = np.zeros(lenders.shape, np.float32)
        weights[:, 0] = 1
        shares = weights.copy()
        for table, values in ((lenders, borrowed.lenders), (weights, borrowed.weights), (shares, borrowed.shares)):
            table[borrowed.items] = values
        place = np.arange(items)
        place[borrowed.items] = items + np.arange(len(borrowed.items))
        self._lenders = tf.Variable(lenders.astype(np.int32), trainable=False, name="lenders")
        self._lent = tf.Variable(weights, trainable=False, name="lent")
        self._shares = tf.Variable(shares, trainable=False, name="shares")
        self._borrowers = tf.Variable(borrowed.items.astype(np.int32), trainable=False, name="borrowers")
        self._place = tf.Variable(place.astype(np.int32), trainable=False, name="places_of_scores")

    def scored(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Whose scores make those of items, int64 ``[n]``: ids, int32 ``[n, k]``, and weights, float32 ``[n, k]``."""
        return tf.gather(self._lenders.read_value(), items), tf.gather(self._lent.read_value(), items)

    def scores(self, scores: tf.Tensor) -> tf.Tensor:
        """Scores of all items, ``[rows, items]``, with those of items that borrow put in their places."""
        lenders, weights = self.scored(self._borrowers.read_value())
        terms = [weights[:, k] * tf.gather(scores, lenders[:, k], axis=1) for k in range(self._count)]
        both = tf.concat([scores, tf.add_n(terms)], axis=1)
        return tf.gather(both, self._place.read_value(), axis=1)

    def history(self, pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pairs, int64 ``[m, 2]`` of row and item, each once and in their order, and their shares, float32 ``[m]``."""
        lenders = tf.cast(tf.gather(self._lenders.read_value(), pairs[:, 1]), tf.int64)
        shares = tf.reshape(tf.gather(self._shares.read_value(), pairs[:, 1]), [-1])
        keys = tf.boolean_mask(tf.reshape(pairs[:, :1] * self._items + lenders, [-1]), shares > 0)
        keys, place = tf.unique(keys)
        sums = tf.math.unsorted_segment_sum(tf.boolean_mask(shares, shares > 0), place, tf.size(keys))
        order = tf.argsort(keys)
        keys = tf.gather(keys, order)
        return tf.stack([keys // self._items, keys % self._items], axis=1), tf.gather(sums, order)


class FactorScores(HistoryScores):
    """``score(u, i) = w_u . h_i`` with the factors ``w_u`` that least squares give the items of a user.

    Args:
        model: A solved :class:`tf_metammf.baselines.ials.IALS`.
    """

    def __init__(self, model: IALS) -> None:
        super().__init__()
        factors = model.item_factors.numpy()
        self.items, self._units = factors.shape
        self._weight, self._l2 = model.unobserved_weight, model.l2
        self._factors = tf.Variable(factors, trainable=False, name="item_factors")
        self._prior = tf.Variable(model.prior, trainable=False, name="prior")
        norms = np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        self._directions = tf.Variable(factors / norms, trainable=False, name="item_directions")
        self.rows_at_once = max(1, SCORES_AT_ONCE // max(1, self.items, self._units**2))

    def of(self, pairs: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """As :class:`BaselineScores` has it."""
        users = self._users(pairs, tf.size(items))
        return tf.reduce_sum(users * tf.gather(self._factors.read_value(), items), axis=1)

    def directions(self, items: tf.Tensor) -> tf.Tensor:
        """Factors of length 1, float32 ``[..., units]``, of items, int64 ``[...]``."""
        return tf.gather(self._directions.read_value(), items)

    def similar(self, items: tf.Tensor, k: int) -> Found:
        """The items with the most similar factors by cosine, of items, int64 ``[rows]``."""
        directions = self._directions.read_value()
        cosines = tf.matmul(tf.gather(directions, items), directions, transpose_b=True)
        own = tf.stack([tf.range(tf.size(items, tf.int64)), items], axis=1)
        others = tf.tensor_scatter_nd_update(cosines, own, tf.fill([tf.size(items)], -math.inf))
        best, similar = top_items(others, k)
        return best, tf.where(best > -math.inf, tf.cast(similar, tf.int64), -1)

    def all(self, pairs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """As :class:`HistoryScores` has it."""
        scores = tf.matmul(self._users(pairs, rows), self._factors.read_value(), transpose_b=True)
        return tf.ensure_shape(scores, [None, self.items])

    def _users(self, pairs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Factors of rows, float32 ``[rows, units]``; 0 without items."""
        mine = tf.gather(self._factors.read_value(), pairs[:, 1])
        squares = tf.math.unsorted_segment_sum(mine[:, :, tf.newaxis] * mine[:, tf.newaxis], pairs[:, 0], rows)
        sums = tf.math.unsorted_segment_sum(mine, pairs[:, 0], rows)
        counts = tf.math.unsorted_segment_sum(tf.ones_like(mine[:, 0]), pairs[:, 0], rows)
        penalty = self._l2 * (counts + self._weight * self.items)
        matrices = self._prior.read_value() + squares + penalty[:, tf.newaxis, tf.newaxis] * tf.eye(self._units)
        return tf.linalg.cholesky_solve(tf.linalg.cholesky(matrices), sums[:, :, tf.newaxis])[:, :, 0]


def _with_summed_rows(
    neighbours: NDArray[np.int64], similarity: NDArray[np.float32], borrowed: Borrowed
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Neighbours of items that borrow: of the sum of their lenders' rows as many of the largest as a row has."""
    ids, weights = neighbours.copy(), similarity.copy()
    # A sum has at least as many columns as each of its terms.
    for item, lenders, shares in zip(borrowed.items, borrowed.lenders, borrowed.weights, strict=True):
        columns, place = np.unique(neighbours[lenders], return_inverse=True)
        terms = shares[:, np.newaxis] * similarity[lenders]
        sums = np.bincount(place.ravel(), weights=terms.ravel(), minlength=len(columns))
        largest = np.argsort(-sums, kind="stable")[: ids.shape[1]]
        ids[item], weights[item] = columns[largest], sums[largest]
    return ids, weights


def _within(pairs: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The pairs of some consecutive rows, counted from the first of them."""
    row = pairs[:, 0] - tf.cast(first, tf.int64)
    inside = (row >= 0) & (row < tf.cast(count, tf.int64))
    return tf.boolean_mask(tf.stack([row, pairs[:, 1]], axis=1), inside)
