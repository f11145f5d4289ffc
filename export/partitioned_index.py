"""The partitioned index: looks only into those parts of the catalogue that lie in the direction of a query."""

import math
from typing import Any

import tensorflow as tf

from tf_metammf.export.index import ExactIndex
from tf_metammf.ranking.partition import Partition

ROWS_AT_ONCE = 4
"""Queries that are searched side by side."""


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
        """Dense item ids, int64, of places in the order, int64 of any shape; -1 stays -1."""
        found = tf.cast(tf.gather(self._order.read_value(), tf.maximum(places, 0)), tf.int64)
        return tf.where(places >= 0, found, -1)

    def place(self, items: tf.Tensor) -> tf.Tensor:
        """Places in the order, int64, of dense item ids, int64 of any shape."""
        return tf.cast(tf.gather(self._place.read_value(), items), tf.int64)

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
        by_place = self._with_places(excluded)
        scores, places = self._search_parts(queries, k, by_place)
        is_short = tf.reduce_any(tf.math.is_inf(scores), axis=1)
        scores, places = tf.cond(
            tf.reduce_any(is_short),
            lambda: self._complete(queries, k, by_place, is_short, scores, places),
            lambda: (scores, places),
        )
        return _lower_first(scores, self._order.item(places))

    def places(self, queries: tf.Tensor, scores: tf.Tensor, *, excluded: tf.Tensor) -> tf.Tensor:
        """As :meth:`ExactIndex.places`."""
        return self._exact.places(queries, scores, excluded=self._with_places(excluded))

    def search_exactly(
        self, queries: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As :meth:`search`, but among all items."""
        scores, places = self._exact.search(queries, k, excluded=self._with_places(excluded))
        return _lower_first(scores, self._order.item(places))

    def ranks_of_parts(self, queries: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """After how many other parts the parts of items come, for each query.

        Args:
            queries: float32 ``[n, d]``.
            items: int64 ``[n, m]``; where it is -1, the rank means nothing.

        Returns:
            int32 ``[n, m]``, from 0.
        """
        places = tf.cast(self._order.place(tf.maximum(items, 0)), tf.int32)
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
        return tf.stack([excluded[:, 0], self._order.place(excluded[:, 1])], axis=1)

    def _search_parts(self, queries: tf.Tensor, k: int | tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        by_query = tf.gather(excluded, tf.argsort(excluded[:, 0], stable=True))
        count = tf.shape(queries)[0]
        # A map over nothing does not know the shape of its results, so a query of zeros stands in for no query.
        mapped = tf.maximum(count, 1)
        queries = tf.pad(queries, [[0, mapped - count], [0, 0]])
        splits = tf.searchsorted(by_query[:, 0], tf.range(tf.cast(mapped, tf.int64) + 1))
        width = k if isinstance(k, int) else None
        scores, places = tf.map_fn(
            lambda row: self._search_row(queries[row], k, by_query[splits[row] : splits[row + 1], 1]),
            tf.range(mapped),
            fn_output_signature=(tf.TensorSpec([width], tf.float32), tf.TensorSpec([width], tf.int64)),
            parallel_iterations=ROWS_AT_ONCE,
        )
        return tf.reshape(scores[:count], [count, k]), tf.reshape(places[:count], [count, k])

    def _search_row(self, query: tf.Tensor, k: int | tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores and places ``[k]`` of one query ``[d]``, with -inf where no more were found."""
        starts = self._order.starts()
        _, probed = tf.math.top_k(self._part_scores(query[tf.newaxis])[0], self.probes, sorted=False)
        first = tf.gather(starts, probed)
        sizes = tf.gather(starts, probed + 1) - first
        # Candidates stand part after part: a part's first one at its end less its size.
        ends = tf.cumsum(sizes)
        places = tf.repeat(first - (ends - sizes), sizes) + tf.range(ends[-1])
        scores = tf.linalg.matvec(tf.gather(self._exact.vectors.read_value(), places), query)
        if self._exact.scale is not None:
            scores *= tf.gather(self._exact.scale.read_value(), places)
        here = self._candidates(tf.cast(excluded, tf.int32), starts, probed, first - (ends - sizes))
        scores = tf.tensor_scatter_nd_update(scores, here[:, tf.newaxis], tf.fill(tf.shape(here), -math.inf))
        found = tf.minimum(k, tf.size(scores))
        best, candidates = tf.math.top_k(scores, found)
        padding = [[0, k - found]]
        best = tf.pad(best, padding, constant_values=-math.inf)
        return best, tf.pad(tf.cast(tf.gather(places, candidates), tf.int64), padding)

    def _candidates(self, places: tf.Tensor, starts: tf.Tensor, probed: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        """Of the given places those that are candidates, as numbers of candidates."""
        parts = tf.searchsorted(starts, places, side="right") - 1
        number = tf.tensor_scatter_nd_update(
            tf.fill([tf.shape(starts)[0] - 1], -1), probed[:, tf.newaxis], tf.range(self.probes)
        )
        rank = tf.gather(number, parts)
        is_candidate = rank >= 0
        return tf.boolean_mask(places, is_candidate) - tf.gather(shift, tf.boolean_mask(rank, is_candidate))

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
        kept = tf.boolean_mask(excluded, tf.gather(is_short, excluded[:, 0]))
        pairs = tf.stack([tf.gather(row, kept[:, 0]), kept[:, 1]], axis=1)
        exact_scores, exact_places = self._exact.search(tf.boolean_mask(queries, is_short), k, excluded=pairs)
        return (
            tf.tensor_scatter_nd_update(scores, rows, exact_scores),
            tf.tensor_scatter_nd_update(places, rows, exact_places),
        )


def _lower_first(scores: Any, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows in descending order of scores, of equal scores the lower item first, and none at the end."""
    by_item = tf.argsort(tf.where(items >= 0, items, tf.int64.max), axis=1, stable=True)
    scores, items = tf.gather(scores, by_item, batch_dims=1), tf.gather(items, by_item, batch_dims=1)
    best, order = tf.math.top_k(scores, tf.shape(scores)[1])
    items = tf.gather(items, order, batch_dims=1)
    return best, tf.where(best > -math.inf, items, -1)
