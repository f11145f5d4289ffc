"""The pass of a full ranking over the scores, on the device: block after block of users, one compiled loop."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.metric_names import COLD_ONLY
from tf_metammf.ranking.metrics import rank_sums, rank_sums_rows
from tf_metammf.ranking.pairs import RankingPairs
from tf_metammf.ranking.parts import RankingPart
from tf_metammf.ranking.top_items import top_items

ScoreFunction = Callable[[Any], Any]


class Ranked(NamedTuple):
    """What a pass leaves behind.

    ``K`` is the largest cut-off, or the number of items where that is smaller.

    Attributes:
        sums: The rank sums of every part, float64 ``[parts, values, K]``.
        best_ranks: The best rank every item has in any list, K + 1 where it is in none, int32
            ``[1, items + 1]``; with a second row for the lists of cold items alone, where they are asked for.
            The last column is for the places of a list that stayed empty.
        usable: bool: every score is below infinity, and none is NaN.
    """

    sums: Any
    best_ranks: Any
    usable: Any


class RankingPass:
    """Ranks the catalogue for every user with positives.

    An item id of ``items`` stands for "no item": it fills up lists, is no positive and belongs to no part.

    Args:
        pairs: Users, positive and masked pairs.
        parts: The parts to report.
        items: Number of items.
        cutoffs: The K to report, ascending.
        share: Number of this process and of all processes that share the blocks: each ranks about as many.

    Attributes:
        rows_of_processes: How many users with positives each process ranks, in the order of ``pairs.users``.
    """

    def __init__(
        self,
        pairs: RankingPairs,
        parts: Sequence[RankingPart],
        *,
        items: int,
        cutoffs: Sequence[int],
        share: tuple[int, int] = (0, 1),
    ):
        self._items, self._cutoffs, self._longest = items, tuple(cutoffs), min(cutoffs[-1], items)
        number, processes = share
        block_bounds = [pairs.blocks * place // processes for place in range(processes + 1)]
        row_bounds = [min(block * pairs.block_rows, len(pairs.users)) for block in block_bounds]
        self.rows_of_processes = [end - first for first, end in pairwise(row_bounds)]
        self._first_block, self._end_block = block_bounds[number : number + 2]
        self._block_rows = pairs.block_rows
        self._users = tf.constant(pairs.users)
        self._positive_keys = tf.constant(pairs.positives.rows * (items + 1) + pairs.positives.items)
        self._positive_offsets = tf.constant(pairs.positives.offsets)
        masked_places = np.stack([pairs.masked.rows % pairs.block_rows, pairs.masked.items], axis=1)
        self._masked_places = tf.constant(masked_places.astype(np.int32))
        self._masked_offsets = tf.constant(pairs.masked.offsets)
        self._is_item = {part.name: tf.constant(np.append(part.is_item, False)) for part in parts}
        self._relevant = {part.name: tf.constant(part.relevant) for part in parts}

    @tf.function(autograph=False)
    def rank_embeddings(self, user_embeddings: Any, item_embeddings: Any) -> Ranked:
        """Ranks by dot product: float32 ``[users, width]`` and ``[items, width]``."""
        # Transposed once here, because a product with few rows would spend much of its time on it in every block.
        columns = tf.transpose(item_embeddings)
        return self._rank(lambda users: tf.matmul(tf.gather(user_embeddings, users), columns))

    @tf.function(autograph=False)
    def recommend_embeddings(self, user_embeddings: Any, item_embeddings: Any) -> tuple[Any, Any]:
        """The lists of the users of this process by dot product.

        Returns:
            The best items, int32 ``[n, K]``, "no item" where there are no more; and bool, as ``Ranked.usable``.
        """
        columns = tf.transpose(item_embeddings)
        return self._recommend(lambda users: tf.matmul(tf.gather(user_embeddings, users), columns))

    @tf.function(autograph=False)
    def recommend_scores(self, score_function: ScoreFunction) -> tuple[Any, Any]:
        """The lists of the users of this process by a score function, as :meth:`recommend_embeddings`."""
        return self._recommend(score_function)

    def _recommend(self, score_function: ScoreFunction) -> tuple[Any, Any]:
        blocks = self._end_block - self._first_block
        if not blocks:
            return tf.zeros([0, self._longest], tf.int32), tf.constant(True)
        lists = tf.TensorArray(tf.int32, size=blocks, infer_shape=False, element_shape=[None, self._longest])

        def recommend_next(block: Any, before: Any, usable: Any) -> tuple[Any, Any, Any]:
            scores, _ = self._block_scores(score_function, block)
            now = before.write(block - self._first_block, self._recommended(scores))
            return block + 1, now, tf.logical_and(usable, _are_usable(scores))

        _, found, usable = tf.while_loop(
            lambda block, *_: block < self._end_block,
            recommend_next,
            (tf.constant(self._first_block), lists, tf.constant(True)),
            parallel_iterations=1,
        )
        return found.concat(), usable

    @tf.function(autograph=False)
    def rank_scores(self, score_function: ScoreFunction) -> Ranked:
        """Ranks by the scores of a function from user ids, int64 ``[n]``, to ``[n, items]``."""
        return self._rank(score_function)

    def _rank(self, score_function: ScoreFunction) -> Ranked:
        kinds_of_lists = 2 if COLD_ONLY in self._relevant else 1
        nothing = Ranked(
            sums=tf.zeros([len(self._relevant), rank_sums_rows(self._cutoffs), self._longest], tf.float64),
            best_ranks=tf.fill([kinds_of_lists, self._items + 1], self._longest + 1),
            usable=tf.constant(True),
        )

        def rank_next(block: Any, before: Ranked) -> tuple[Any, Ranked]:
            scores, rows = self._block_scores(score_function, block)
            sums, best_ranks = self._rank_block(scores, rows, block)
            return block + 1, Ranked(
                sums=before.sums + sums,
                best_ranks=tf.minimum(before.best_ranks, best_ranks),
                usable=tf.logical_and(before.usable, _are_usable(scores)),
            )

        # One block at a time: several at once would take the memory of several.
        _, ranked = tf.while_loop(
            lambda block, _: block < self._end_block,
            rank_next,
            (tf.constant(self._first_block), nothing),
            parallel_iterations=1,
        )
        return ranked

    def _block_scores(self, score_function: ScoreFunction, block: Any) -> tuple[Any, Any]:
        """Scores of a block, ``[n, items]``, masked items at minus infinity, and the rows it consists of."""
        first = block * self._block_rows
        users = self._users[first : first + self._block_rows]
        scores = score_function(users)
        if scores.shape.rank != 2 or scores.shape[1] not in (None, self._items):
            raise InvalidInputError(
                f"full ranking: the score function returned shape {scores.shape}, expected [n, {self._items}], one "
                "score for every item of the record set. Return the scores of all items."
            )
        scores = tf.ensure_shape(tf.cast(scores, tf.float32), [None, self._items])
        places = self._masked_places[self._masked_offsets[block] : self._masked_offsets[block + 1]]
        # Works in place, where tf.tensor_scatter_nd_update would copy the scores of the block.
        scores = tf.raw_ops.ScatterNdNonAliasingAdd(
            input=scores, indices=places, updates=tf.fill([tf.shape(places)[0]], -math.inf)
        )
        return scores, tf.range(first, first + tf.size(users))

    def _rank_block(self, scores: Any, rows: Any, block: Any) -> tuple[Any, Any]:
        """What a block adds to the rank sums, and the best ranks of the items in it."""
        parts = [name for name in self._relevant if name != COLD_ONLY]
        sums, best_ranks = self._rank_rows(scores, rows, block, parts=parts)
        if COLD_ONLY not in self._relevant:
            return sums, best_ranks
        cold_rows = tf.boolean_mask(rows, tf.gather(self._relevant[COLD_ONLY], rows) > 0)
        not_warm = tf.where(self._is_item[COLD_ONLY][:-1], 0.0, -math.inf)
        cold_scores = tf.gather(scores, cold_rows - rows[0]) + not_warm
        cold_sums, cold_best_ranks = self._rank_rows(cold_scores, cold_rows, block, parts=[COLD_ONLY])
        return tf.concat([sums, cold_sums], axis=0), tf.concat([best_ranks, cold_best_ranks], axis=0)

    def _rank_rows(self, scores: Any, rows: Any, block: Any, *, parts: Sequence[str]) -> tuple[Any, Any]:
        """Rank sums of some parts, ``[parts, values, K]``, and best ranks, ``[1, items + 1]``, by these scores."""
        recommended = self._recommended(scores)
        hits = self._hits(recommended, rows, block)
        sums = [
            rank_sums(
                tf.logical_and(hits, tf.gather(self._is_item[part], recommended)),
                tf.gather(self._relevant[part], rows),
                cutoffs=self._cutoffs,
            )
            for part in parts
        ]
        return tf.stack(sums), self._best_ranks(recommended)

    def _recommended(self, scores: Any) -> Any:
        """The best items of every row, int32 ``[n, K]``; "no item" where there are no more."""
        best_scores, best_items = top_items(scores, self._longest)
        return tf.where(best_scores > -math.inf, best_items, self._items)

    def _hits(self, recommended: Any, rows: Any, block: Any) -> Any:
        """Whether each recommended item is a positive of its row's user, bool ``[n, K]``."""
        positives = self._positive_keys[self._positive_offsets[block] : self._positive_offsets[block + 1]]
        keys = tf.cast(rows, tf.int64)[:, tf.newaxis] * (self._items + 1) + tf.cast(recommended, tf.int64)
        places = tf.searchsorted(positives, tf.reshape(keys, [-1]))
        found = tf.gather(positives, tf.minimum(places, tf.size(positives) - 1))
        return tf.equal(tf.reshape(found, tf.shape(keys)), keys)

    def _best_ranks(self, recommended: Any) -> Any:
        ranks = tf.broadcast_to(tf.range(1, self._longest + 1), tf.shape(recommended))
        best = tf.math.unsorted_segment_min(ranks, recommended, self._items + 1)
        # The operation gives an item that is in no list the largest integer.
        return tf.minimum(best, self._longest + 1)[tf.newaxis]


def _are_usable(scores: Any) -> Any:
    # The maximum is NaN where any score is, and NaN is not below infinity.
    return tf.reduce_max(scores) < math.inf
