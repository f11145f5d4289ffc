"""The partitioned index: looks only into those parts of the catalogue that lie in the direction of a query."""

import functools
import math

import tensorflow as tf

from tf_metammf.export.index import ExactIndex
from tf_metammf.ranking.partition import Partition

ROWS_AT_ONCE = 4
"""Queries that are searched side by side."""

UNROLLED_PROBES = 16
"""Parts up to which each has its own operations; more are looked into by a loop, whose turns take longer."""

_NOWHERE = -(2**30)

_NOT_INLINED = functools.partial(tf.function, autograph=False, experimental_attributes={"_noinline": True})


class PartitionedItems(tf.Module):
    """The order of the items in a partition, which several indices share: 8 bytes an item.

    Args:
        partition: The partition.
    """

    def __init__(self, partition: Partition) -> None:
        super().__init__()
        place = partition.order.argsort().astype("int32")
        self._order = tf.Variable(partition.order, trainable=False, name="item_of_place")
        self._place = tf.Variable(place, trainable=False, name="place_of_item")
        self._starts = tf.Variable(partition.starts, trainable=False, name="part_starts")

    def item(self, places: tf.Tensor) -> tf.Tensor:
        """Dense item ids, int32, of places in the order, int32 of any shape; any id for a negative place."""
        return tf.gather(self._order.read_value(), tf.maximum(places, 0))

    def place(self, items: tf.Tensor) -> tf.Tensor:
        """Places in the order, int32, of dense item ids, int64 of any shape."""
        return tf.gather(self._place.read_value(), items)

    def starts(self) -> tf.Tensor:
        """Where each part starts, and the end of the last one, int32 ``[parts + 1]``."""
        return self._starts.read_value()


class PartitionedIndex(tf.Module):
    """Scores the items of the parts whose centres score best, exactly, and keeps the best of them.

    Of every query the ``probes`` parts ``p`` with the largest ``q . c_p`` are looked into. Excluded items are left
    out before the best are taken, so however many there are, they take no place of others. Where fewer than ``k``
    items are found so, that query is answered by the exact search over all items: approximate is which items are
    found, never how many.

    :meth:`places` is exact.

    Args:
        exact: The exact index over the vectors in the order of the partition.
        order: That order.
        centres: Variable, float32 ``[parts, d]``.

    Attributes:
        items: Number of items.
        parts: Number of parts.
        probes: Parts to look into; all of them until another number is set.
    """

    def __init__(self, exact: ExactIndex, *, order: PartitionedItems, centres: tf.Variable) -> None:
        super().__init__()
        self.items = exact.items
        self.parts = int(centres.shape[0])
        self.probes = self.parts
        self._exact = exact
        self._order = order
        self._centres = centres

    def rows(self, items: tf.Tensor) -> tf.Tensor:
        """Vectors, float32 ``[n, d]``, of items, int64 ``[n]``."""
        return self._exact.rows(self._order.place(items))

    def search(self, queries: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As :meth:`ExactIndex.search`, among the items that were looked at; those come in the same order."""
        scores, places = self._search_parts(queries, k, excluded)
        is_short = tf.reduce_any(tf.math.is_inf(scores), axis=1)
        scores, places = tf.cond(
            tf.reduce_any(is_short),
            lambda: _NOT_INLINED(self._complete)(queries, k, excluded, is_short, scores, places),
            lambda: (scores, places),
        )
        return self._in_order(scores, places)

    def places(self, queries: tf.Tensor, scores: tf.Tensor, *, excluded: tf.Tensor) -> tf.Tensor:
        """As :meth:`ExactIndex.places`."""
        return self._exact.places(queries, scores, excluded=self._with_places(excluded))

    def search_exactly(
        self, queries: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As :meth:`search`, but among all items."""
        scores, places = self._exact.search(queries, k, excluded=self._with_places(excluded))
        return self._in_order(scores, tf.cast(places, tf.int32))

    def ranks_of_parts(self, queries: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """After how many other parts the parts of items come, for each query.

        Args:
            queries: float32 ``[n, d]``.
            items: int64 ``[n, m]``; where it is -1, the rank means nothing.

        Returns:
            int32 ``[n, m]``, from 0.
        """
        places = self._order.place(tf.maximum(items, 0))
        parts = tf.reshape(
            tf.searchsorted(self._order.starts(), tf.reshape(places, [-1]), side="right"), tf.shape(places)
        )
        ranks = tf.argsort(tf.argsort(self._part_scores(queries), axis=1, direction="DESCENDING"), axis=1)
        return tf.gather(ranks, parts - 1, batch_dims=1)

    def probed_share(self, queries: tf.Tensor) -> float:
        """Share of the catalogue that a search looks at, mean over the queries, float32 ``[n, d]``."""
        sizes = self._order.starts()[1:] - self._order.starts()[:-1]
        _, probed = tf.math.top_k(self._part_scores(queries), self.probes)
        looked_at = tf.reduce_sum(tf.gather(sizes, probed), axis=1)
        return float(tf.reduce_mean(tf.cast(looked_at, tf.float32))) / self.items

    def _part_scores(self, queries: tf.Tensor) -> tf.Tensor:
        return tf.matmul(queries, self._centres, transpose_b=True)

    def _with_places(self, excluded: tf.Tensor) -> tf.Tensor:
        return tf.stack([excluded[:, 0], tf.cast(self._order.place(excluded[:, 1]), tf.int64)], axis=1)

    def _search_parts(self, queries: tf.Tensor, k: int | tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores and places ``[n, k]`` of the best candidates, with -inf where no more were found."""
        if queries.shape[0] not in (None, 1):
            return self._search_rows(queries, k, excluded)
        return tf.cond(
            tf.equal(tf.shape(queries)[0], 1),
            # A server answers one query most of the time; a loop of one turn takes as long as all the rest. The slice
            # keeps TensorFlow from concluding that there is never more than one.
            lambda: self._search_row(queries[:1], k, self._order.place(excluded[:, 1])),
            lambda: _NOT_INLINED(self._search_rows)(queries, k, excluded),
        )

    def _search_rows(self, queries: tf.Tensor, k: int | tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        by_query = tf.gather(excluded, tf.argsort(excluded[:, 0], stable=True))
        places = self._order.place(by_query[:, 1])
        count = tf.shape(queries)[0]
        # A map over nothing does not know the shape of its results, so a query of zeros stands in for no query.
        mapped = tf.maximum(count, 1)
        queries = tf.pad(queries, [[0, mapped - count], [0, 0]])
        splits = tf.searchsorted(by_query[:, 0], tf.range(tf.cast(mapped, tf.int64) + 1))
        width = k if isinstance(k, int) else None
        scores, found = tf.map_fn(
            lambda row: self._search_row(queries[row : row + 1], k, places[splits[row] : splits[row + 1]]),
            tf.range(mapped),
            fn_output_signature=(tf.TensorSpec([1, width], tf.float32), tf.TensorSpec([1, width], tf.int32)),
            parallel_iterations=ROWS_AT_ONCE,
        )
        return tf.reshape(scores[:count], [count, k]), tf.reshape(found[:count], [count, k])

    def _search_row(self, query: tf.Tensor, k: int | tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores and places ``[1, k]`` of one query ``[1, d]``, without the excluded places.

        Candidates stand part after part, and behind them ``k`` that are nowhere: they fill what is not found, and what
        is excluded and is no candidate is written to the first of them.
        """
        starts = self._order.starts()
        _, probed = tf.math.top_k(self._part_scores(query)[0], self.probes, sorted=False)
        first = tf.gather(starts, probed)
        sizes = tf.gather(starts, probed + 1) - first
        ends = tf.cumsum(sizes)
        shift = first - (ends - sizes)
        scores = tf.concat([*self._scores_of_parts(query, first, sizes), tf.fill([1, k + 1], -math.inf)], axis=1)[0]
        here = self._candidates(excluded, starts, probed, shift, behind=ends[-1])
        scores = tf.tensor_scatter_nd_update(scores, here[:, tf.newaxis], tf.fill(tf.shape(here), -math.inf))
        best, candidates = tf.math.top_k(scores[tf.newaxis], k)
        shift = tf.concat([shift, [_NOWHERE]], axis=0)
        return best, candidates + tf.gather(shift, tf.searchsorted(ends, candidates[0], side="right"))

    def _scores_of_parts(self, query: tf.Tensor, first: tf.Tensor, sizes: tf.Tensor) -> list[tf.Tensor]:
        """Scores of the candidates, ``[1, n]``, in pieces.

        The rows of a part are neighbours, so a slice of them is no copy. Gathering them would copy all of them first,
        which takes longer than the products.
        """
        vectors = self._exact.vectors.read_value()
        scale = None if self._exact.scale is None else self._exact.scale.read_value()
        begins = tf.pad(first[:, tf.newaxis], [[0, 0], [0, 1]])
        lengths = tf.pad(sizes[:, tf.newaxis], [[0, 0], [0, 1]], constant_values=vectors.shape[1])

        def of_part(begin: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
            scores = tf.matmul(query, tf.slice(vectors, begin, length), transpose_b=True)
            return scores if scale is None else scores * tf.slice(scale, begin[:1], length[:1])

        if self.probes <= UNROLLED_PROBES:
            parts = zip(tf.unstack(begins, num=self.probes), tf.unstack(lengths, num=self.probes), strict=True)
            return [of_part(begin, length) for begin, length in parts]
        scores = tf.TensorArray(tf.float32, size=self.probes, element_shape=[None], infer_shape=False)
        _, scores = tf.while_loop(
            lambda number, _: number < self.probes,
            lambda number, scores: (number + 1, scores.write(number, of_part(begins[number], lengths[number])[0])),
            (tf.constant(0), scores),
        )
        return [scores.concat()[tf.newaxis]]

    def _candidates(
        self, places: tf.Tensor, starts: tf.Tensor, probed: tf.Tensor, shift: tf.Tensor, *, behind: tf.Tensor
    ) -> tf.Tensor:
        """The numbers of the candidates at given places, or that of the one behind them where there is none."""
        parts = tf.searchsorted(starts, places, side="right") - 1
        shifts = tf.tensor_scatter_nd_update(tf.fill([self.parts], _NOWHERE), probed[:, tf.newaxis], shift)
        return tf.minimum(places - tf.gather(shifts, parts), behind)

    def _complete(
        self,
        queries: tf.Tensor,
        k: int | tf.Tensor,
        excluded: tf.Tensor,
        is_short: tf.Tensor,
        scores: tf.Tensor,
        places: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores and places with the rows that are short searched exactly."""
        rows = tf.where(is_short)
        row = tf.cumsum(tf.cast(is_short, tf.int64)) - 1
        kept = self._with_places(tf.boolean_mask(excluded, tf.gather(is_short, excluded[:, 0])))
        pairs = tf.stack([tf.gather(row, kept[:, 0]), kept[:, 1]], axis=1)
        exact_scores, exact_places = self._exact.search(tf.boolean_mask(queries, is_short), k, excluded=pairs)
        return (
            tf.tensor_scatter_nd_update(scores, rows, exact_scores),
            tf.tensor_scatter_nd_update(places, rows, tf.cast(exact_places, tf.int32)),
        )

    def _in_order(self, scores: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Items instead of places, of equal scores the lower item first, and -1 where nothing was found."""
        count = tf.shape(scores)[1]
        # Both times equal values keep their order.
        negated, by_item = tf.math.top_k(-self._order.item(places), count)
        best, order = tf.math.top_k(tf.gather(scores, by_item, batch_dims=1), count)
        items = tf.cast(-tf.gather(negated, order, batch_dims=1), tf.int64)
        return best, tf.where(best > -math.inf, items, -1)
