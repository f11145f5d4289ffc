"""What an index is, and the exact one: which items score best against a query."""

import math
from typing import Any, Protocol

import tensorflow as tf

from tf_metammf.ranking.top_items import top_items

ITEMS_AT_ONCE = 2**17
"""Items that are scored in one product; a larger catalogue is scored block after block."""

SCORES_AT_ONCE = 2**23
"""Scores that are held at once, 32 MiB; queries for which it would be more are searched in turn."""


class Index(Protocol):
    """Finds the items with the largest ``scale_i (q . v_i)``; see :class:`ExactIndex` for arguments and results."""

    items: int

    def rows(self, items: tf.Tensor) -> tf.Tensor:
        """Vectors of items."""

    def search(self, queries: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The best items of every query."""

    def places(self, queries: tf.Tensor, scores: tf.Tensor, *, excluded: tf.Tensor) -> tf.Tensor:
        """The places that given scores would take."""


class ExactIndex(tf.Module):
    """Scores every item and keeps the best.

    ``score(q, i) = scale_i (q . v_i)`` for queries ``q`` ``[n, d]`` and vectors ``v`` ``[items, d]``.

    However many queries and items there are, about :data:`SCORES_AT_ONCE` scores are held at once: queries
    in groups, and for each group items in blocks, of which the best so far are kept. Where all queries and all
    items fit, that is one product and one top-k.

    Args:
        vectors: Variable, float32 ``[items, d]``.
        scale: Variable, float32 ``[items]``; None for 1 everywhere.
        items_at_once: Items of a block. Defaults to :data:`ITEMS_AT_ONCE`.
        scores_at_once: Scores held at once. Defaults to :data:`SCORES_AT_ONCE`.
    """

    def __init__(
        self,
        vectors: tf.Variable,
        *,
        scale: tf.Variable | None = None,
        items_at_once: int = ITEMS_AT_ONCE,
        scores_at_once: int = SCORES_AT_ONCE,
    ) -> None:
        super().__init__()
        self.vectors = vectors
        self.scale = scale
        self.items = int(vectors.shape[0])
        self._block = min(self.items, items_at_once)
        self._queries_at_once = max(1, scores_at_once // max(1, self._block))

    def rows(self, items: tf.Tensor) -> tf.Tensor:
        """Vectors, float32 ``[n, d]``, of items, int64 ``[n]``."""
        # Gathering from a variable itself would make every later search copy all of it (copy-on-read).
        return tf.gather(self.vectors.read_value(), items)

    def search(self, queries: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The best items of every query, best first; of equal scores the lower item comes first.

        Args:
            queries: float32 ``[n, d]``.
            k: How many, an int from 1 or an int32 tensor ``[]`` from 0, at most the number of items.
            excluded: int64 ``[m, 2]``: pairs of query and item that must not be found, in any
                order and any number of times.

        Returns:
            Scores, float32 ``[n, k]``, and items, int64 ``[n, k]``. Where fewer than ``k`` items are
            left to a query, its last places have the score -inf and the item -1.
        """

        def best(queries: tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            scores, items = self._search_group(queries, k, excluded)
            return scores, tf.where(scores > -math.inf, tf.cast(items, tf.int64), -1)

        specs = (tf.TensorSpec([None, _static(k)], tf.float32), tf.TensorSpec([None, _static(k)], tf.int64))
        found = self._in_groups(best, queries, excluded, specs)
        return found[0], found[1]

    def places(self, queries: tf.Tensor, scores: tf.Tensor, *, excluded: tf.Tensor) -> tf.Tensor:
        """The places that given scores would take among those of the items.

        ``1 + |{i not excluded: score(q, i) >= s}|``: of equal scores the items of the index come first.

        Args:
            queries: float32 ``[n, d]``.
            scores: The scores ``s`` to place, float32 ``[n, c]``.
            excluded: int64 ``[m, 2]`` as in :meth:`search`.

        Returns:
            int32 ``[n, c]``, from 1 to the number of items + 1.
        """
        width = tf.shape(queries)[1]

        def places(both: tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor]:
            return (1 + self._count_group(both[:, :width], both[:, width:], excluded),)

        both = tf.concat([queries, scores], axis=1)
        return self._in_groups(places, both, excluded, (tf.TensorSpec([None, scores.shape[1]], tf.int32),))[0]

    def _search_group(self, queries: tf.Tensor, k: int | tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def best_of_block(first: Any, items: int) -> tuple[tf.Tensor, tf.Tensor]:
            scores = self._scores(queries, excluded, first, items)
            most = min(k, items) if isinstance(k, int) else tf.minimum(k, items)
            best, found = top_items(scores, most)
            return best, found + first

        def merge(before: tuple[tf.Tensor, tf.Tensor], first: Any, items: int) -> tuple[tf.Tensor, tf.Tensor]:
            # What was found before stands before the block, so that of equal scores the lower item stays first.
            scores, found = (tf.concat(pair, axis=1) for pair in zip(before, best_of_block(first, items), strict=True))
            best, places = tf.math.top_k(scores, k)
            return best, tf.gather(found, places, batch_dims=1)

        if self._block == self.items:
            return best_of_block(0, self.items)
        shape = tf.stack([tf.shape(queries)[0], k])
        nothing = tf.fill(shape, -math.inf), tf.fill(shape, -1)
        return self._over_blocks(merge, nothing, (tf.TensorShape([None, _static(k)]),) * 2)

    def _count_group(self, queries: tf.Tensor, thresholds: tf.Tensor, excluded: tf.Tensor) -> tf.Tensor:
        """How many items score at least as high as each threshold, int32 ``[n, c]``."""
        order = tf.argsort(thresholds, axis=1)
        ascending = tf.gather(thresholds, order, batch_dims=1)
        levels = tf.shape(thresholds)[1] + 1

        def add(before: tuple[tf.Tensor], first: Any, items: int) -> tuple[tf.Tensor]:
            scores = self._scores(queries, excluded, first, items)
            # How many thresholds each score reaches; then how many scores reach just so many.
            reached = tf.searchsorted(ascending, scores, side="right")
            keys = reached + levels * tf.range(tf.shape(reached)[0])[:, tf.newaxis]
            counts = tf.math.unsorted_segment_sum(tf.ones_like(keys), keys, num_segments=levels * tf.shape(reached)[0])
            return (before[0] + tf.reshape(counts, [-1, levels]),)

        nothing = (tf.zeros(tf.stack([tf.shape(queries)[0], levels]), tf.int32),)
        (counts,) = self._over_blocks(add, nothing, (tf.TensorShape([None, None]),))
        at_least = tf.cumsum(counts[:, 1:], axis=1, reverse=True)
        return tf.gather(at_least, tf.argsort(order, axis=1), batch_dims=1)

    def _scores(self, queries: tf.Tensor, excluded: tf.Tensor, first: Any, items: int) -> tf.Tensor:
        """Scores ``[n, items]`` of the items from ``first`` on."""
        # Slices of whole rows are no copies.
        vectors = self.vectors.read_value()
        block = vectors if items == self.items else tf.slice(vectors, [first, 0], [items, vectors.shape[1]])
        scores = tf.matmul(queries, block, transpose_b=True)
        if self.scale is not None:
            scores *= tf.slice(self.scale.read_value(), [first], [items])
        if items < self.items:
            item = excluded[:, 1] - tf.cast(first, tf.int64)
            here = tf.boolean_mask(tf.stack([excluded[:, 0], item], axis=1), (item >= 0) & (item < items))
        else:
            here = excluded
        # An update with one and the same value does not mind pairs that occur twice.
        return tf.tensor_scatter_nd_update(scores, here, tf.fill([tf.shape(here)[0]], -math.inf))

    def _over_blocks(self, step: Any, start: tuple[tf.Tensor, ...], shapes: tuple[tf.TensorShape, ...]) -> Any:
        """Goes over all items in blocks: ``state = step(state, first item, number of items)``."""
        whole, rest = divmod(self.items, self._block)
        state = start
        if whole == 1:
            state = step(state, 0, self._block)
        else:
            state = tf.while_loop(
                lambda block, *_: block < whole,
                lambda block, *state: (block + 1, *step(state, block * self._block, self._block)),
                (tf.constant(0), *state),
                shape_invariants=(tf.TensorShape([]), *shapes),
                # One block after another: all at once would hold all scores.
                parallel_iterations=1,
            )[1:]
        return step(state, whole * self._block, rest) if rest else state

    def _in_groups(
        self, search: Any, queries: tf.Tensor, excluded: tf.Tensor, specs: tuple[tf.TensorSpec, ...]
    ) -> tuple[tf.Tensor, ...]:
        """``search(queries, excluded)``, at most so many queries at once as the scores allow."""
        count, at_once = tf.shape(queries)[0], self._queries_at_once

        def group(number: tf.Tensor, *found: tf.TensorArray) -> tuple[Any, ...]:
            first = number * at_once
            row = excluded[:, 0] - tf.cast(first, tf.int64)
            pairs = tf.boolean_mask(tf.stack([row, excluded[:, 1]], axis=1), (row >= 0) & (row < at_once))
            results = search(queries[first : first + at_once], pairs)
            return number + 1, *(array.write(number, part) for array, part in zip(found, results, strict=True))

        def in_turn() -> tuple[tf.Tensor, ...]:
            groups = -(-count // at_once)
            arrays = [
                tf.TensorArray(spec.dtype, size=groups, element_shape=spec.shape, infer_shape=False) for spec in specs
            ]
            found = tf.while_loop(
                lambda number, *_: number < groups, group, (tf.constant(0), *arrays), parallel_iterations=1
            )[1:]
            return tuple(array.concat() for array in found)

        found = tf.cond(count <= at_once, lambda: search(queries, excluded), in_turn)
        return tuple(tf.ensure_shape(part, spec.shape) for part, spec in zip(found, specs, strict=True))


def _static(k: int | tf.Tensor) -> int | None:
    return k if isinstance(k, int) else None
