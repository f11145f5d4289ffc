"""Re-ranking of the best items by diversity and against popularity, of TensorFlow's own operations."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.reranking_options import RerankingOptions

Found = tuple[tf.Tensor, tf.Tensor]
"""Scores, float32 ``[rows, k]``, and dense items, int64 ``[rows, k]``; -inf and -1 where none is left."""

Directions = Callable[[tf.Tensor], tf.Tensor]
"""Unit vectors, or zeros, float32 ``[..., d]``, of dense items, int64 ``[...]``."""

VALUES_AT_ONCE = 2**23
"""Numbers of vectors of candidates that are held at once, 32 MiB; rows for which it would be more go in turn."""


class Reranking(tf.Module):
    r"""Orders the best items of every row once more: maximal marginal relevance, with a discount on popularity.

    Greedily, the item at each place is the candidate ``i`` with the largest

        (1 - diversity) (r_i - popularity_discount p_i) - diversity max_{j before i} v_i . v_j

    of those that are left; without an item before, the maximum is 0. ``r_i`` is the score of the candidate, scaled
    so that those of a row reach from 0 to 1 (0 if all are the same), ``p_i = log(1 + n_i) / log(1 + max n)`` its
    popularity by training interactions ``n``, and ``v`` are unit vectors. Of equal values, the candidate with the
    better score comes first. (Carbonell and Goldstein, SIGIR 1998, with their lambda as 1 - diversity.)

    Args:
        options: The weights, and the number of candidates.
        item_frequency: Training interactions of every item, ``[items]``.
        vectors: Unit vectors of items in the model, which are taken where the options say so; None where it has none.

    Raises:
        InvalidInputError: The options ask for vectors, and the model has none.
    """

    def __init__(
        self,
        options: RerankingOptions,
        *,
        item_frequency: NDArray[np.integer],
        vectors: Directions | None,
    ) -> None:
        super().__init__()
        self._diversity, self._discount = options.diversity, options.popularity_discount
        self._candidates, self._items = options.candidates, len(item_frequency)
        self._vectors = vectors
        if options.needs_content:
            # A variable, not a constant: those are a part of the graph, which may not be larger than 2 GB.
            self._content = tf.Variable(options.content, trainable=False, name="content_directions", dtype=tf.float32)
            self._vectors = lambda items: tf.gather(self._content, items)
        elif options.diversity > 0 and vectors is None:
            raise InvalidInputError(
                "reranking: similarity is vectors, but the model has no vectors of items. Use content."
            )
        most = max(1, int(item_frequency.max(initial=0)))
        popularity = np.log1p(item_frequency) / np.log1p(most)
        self._popularity = tf.Variable(popularity.astype(np.float32), trainable=False, name="popularity_of_item")

    def candidates(self, k: int | tf.Tensor) -> int | tf.Tensor:
        """How many items to search for ``k`` places: the candidates of the options, or ``k`` if that is more."""
        if isinstance(k, int):
            return min(max(k, self._candidates), self._items)
        return tf.minimum(tf.maximum(k, self._candidates), self._items)

    def best(self, scores: tf.Tensor, items: tf.Tensor, k: int | tf.Tensor) -> Found:
        """The first ``k`` places.

        Args:
            scores: Scores of the candidates, best first, float32 ``[rows, C]``; -inf where there is none.
            items: The candidates, int64 ``[rows, C]``; -1 where there is none.
            k: Places, at most ``C``.

        Returns:
            The candidates in their new order, with the scores that they came with.
        """
        values = self._values(scores, items)
        if self._diversity == 0:
            found, places = tf.math.top_k(values, k)
            return _at(scores, items, places, found)
        static = k if isinstance(k, int) else None
        width = self._directions(items[:1, :1]).shape[-1]
        rows, columns = tf.shape(items)[0], tf.shape(items)[1]
        at_once = tf.maximum(1, VALUES_AT_ONCE // tf.maximum(1, columns * width))
        groups = -(-rows // at_once)
        arrays = [
            tf.TensorArray(dtype, size=groups + 1, element_shape=[None, static], infer_shape=False)
            for dtype in (tf.float32, tf.int64)
        ]
        # A group without rows: arrays without any element cannot be put together.
        empty = tf.zeros(tf.stack([0, k]))
        arrays = [array.write(groups, tf.cast(empty, array.dtype)) for array in arrays]

        def group(number: tf.Tensor, *found: tf.TensorArray) -> tuple[tf.Tensor, ...]:
            own = slice(number * at_once, (number + 1) * at_once)
            best = self._greedy(values[own], scores[own], items[own], k)
            return number + 1, *(array.write(number, part) for array, part in zip(found, best, strict=True))

        _, of_scores, of_items = tf.while_loop(
            lambda number, *_: number < groups, group, (tf.constant(0), *arrays), parallel_iterations=1
        )
        return of_scores.concat(), of_items.concat()

    def _directions(self, items: tf.Tensor) -> tf.Tensor:
        assert self._vectors is not None  # there is no diversity without vectors
        return self._vectors(tf.maximum(items, 0))

    def _values(self, scores: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """``(1 - diversity) (r_i - popularity_discount p_i)``; -inf where there is no candidate."""
        filled = items >= 0
        highest = tf.reduce_max(tf.where(filled, scores, -math.inf), axis=1, keepdims=True)
        lowest = tf.reduce_min(tf.where(filled, scores, math.inf), axis=1, keepdims=True)
        scaled = tf.math.divide_no_nan(tf.where(filled, scores, lowest) - lowest, highest - lowest)
        popularity = tf.gather(self._popularity, tf.maximum(items, 0))
        value = (1 - self._diversity) * (scaled - self._discount * popularity)
        return tf.where(filled, value, -math.inf)

    def _greedy(self, values: tf.Tensor, scores: tf.Tensor, items: tf.Tensor, k: int | tf.Tensor) -> Found:
        vectors = self._directions(items)
        columns = tf.shape(items)[1]
        arrays = [
            tf.TensorArray(dtype, size=k, element_shape=[None], infer_shape=False) for dtype in (tf.float32, tf.int32)
        ]

        def choose(step: Any, left: Any, nearest: Any, found: Any, places: Any) -> tuple[Any, ...]:
            marginal = left - self._diversity * nearest
            place = tf.argmax(marginal, axis=1, output_type=tf.int32)
            chosen = tf.gather(vectors, place, batch_dims=1)
            similarity = tf.linalg.matvec(vectors, chosen)
            # The first item has none before it, and a similarity may be negative.
            nearest = tf.where(step > 0, tf.maximum(nearest, similarity), similarity)
            found = found.write(step, tf.reduce_max(marginal, axis=1))
            left = tf.where(tf.one_hot(place, columns, on_value=True, off_value=False), -math.inf, left)
            return step + 1, left, nearest, found, places.write(step, place)

        _, _, _, found, places = tf.while_loop(
            lambda step, *_: step < k,
            choose,
            (tf.constant(0), values, tf.zeros_like(values), *arrays),
            parallel_iterations=1,
        )
        shape = tf.stack([k, tf.shape(items)[0]])
        in_order = [tf.transpose(tf.reshape(array.stack(), shape)) for array in (places, found)]
        return _at(scores, items, *in_order)


def _at(scores: tf.Tensor, items: tf.Tensor, places: tf.Tensor, values: tf.Tensor) -> Found:
    """Scores and items at places of the candidates; none where the value says that none was left."""
    there = values > -math.inf
    return (
        tf.where(there, tf.gather(scores, places, batch_dims=1), -math.inf),
        tf.where(there, tf.gather(items, places, batch_dims=1), -1),
    )
