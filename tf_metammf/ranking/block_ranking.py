"""The loop of a full ranking: block after block of users, from tensors alone."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.metric_names import COLD_ONLY
from tf_metammf.ranking.metrics import rank_sums, rank_sums_rows
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


class RankingInputs(NamedTuple):
    """The tensors of a pass. Pairs of users and items are in the order of their users.

    Attributes:
        blocks: The first block of users to rank and the one behind the last, int32 ``[2]``.
        block_rows: Users of a block, int32 ``[]``.
        users: Users with positives, int64 ``[rows]``.
        positive_keys: ``row * (items + 1) + item`` of every positive pair, int64 ``[positives]``, ascending.
        positive_offsets: Where the positives of each block begin, int64 ``[all blocks + 1]``.
        masked_places: Row in its block and item of every masked pair, int32 ``[masked, 2]``.
        masked_offsets: Where the masked pairs of each block begin, int64 ``[all blocks + 1]``.
        is_item: Whether each item belongs to a part, bool ``[items + 1]`` for each part.
        relevant: Relevant items of each row in a part, int64 ``[rows]`` for each part.
    """

    blocks: Any
    block_rows: Any
    users: Any
    positive_keys: Any
    positive_offsets: Any
    masked_places: Any
    masked_offsets: Any
    is_item: tuple[Any, ...]
    relevant: tuple[Any, ...]


class RankingSettings(NamedTuple):
    """What a pass is compiled for.

    Attributes:
        parts: Names of the parts to report.
        items: Number of items, which stands for "no item", too.
        cutoffs: The K to report, ascending.
    """

    parts: tuple[str, ...]
    items: int
    cutoffs: tuple[int, ...]


class BlockRanking:
    """Ranks blocks of users.

    Args:
        inputs: Users, pairs and parts.
        settings: What is computed of them.
    """

    def __init__(self, inputs: RankingInputs, settings: RankingSettings) -> None:
        self._items, self._cutoffs = settings.items, settings.cutoffs
        self._longest = min(self._cutoffs[-1], self._items)
        self._first_block, self._end_block = inputs.blocks[0], inputs.blocks[1]
        self._block_rows = inputs.block_rows
        self._users = inputs.users
        self._positive_keys, self._positive_offsets = inputs.positive_keys, inputs.positive_offsets
        self._masked_places, self._masked_offsets = inputs.masked_places, inputs.masked_offsets
        self._is_item = dict(zip(settings.parts, inputs.is_item, strict=True))
        self._relevant = dict(zip(settings.parts, inputs.relevant, strict=True))

    def recommend(self, score_function: ScoreFunction) -> tuple[Any, Any]:
        """The lists of the users of these blocks.

        Returns:
            The best items, int32 ``[n, K]``, "no item" where there are no more; and bool, as ``Ranked.usable``.
        """
        blocks = self._end_block - self._first_block
        # One place at least: an array without any cannot be put together.
        lists = tf.TensorArray(
            tf.int32, size=tf.maximum(blocks, 1), infer_shape=False, element_shape=[None, self._longest]
        )
        lists = lists.write(0, tf.zeros([0, self._longest], tf.int32))

        def recommend_next(block: Any, before: Any, usable: Any) -> tuple[Any, Any, Any]:
            scores, _ = self._block_scores(score_function, block)
            now = before.write(block - self._first_block, self._recommended(scores))
            return block + 1, now, tf.logical_and(usable, _are_usable(scores))

        _, found, usable = tf.while_loop(
            lambda block, *_: block < self._end_block,
            recommend_next,
            (self._first_block, lists, tf.constant(True)),
            parallel_iterations=1,
        )
        return found.concat(), usable

    def rank(self, score_function: ScoreFunction) -> Ranked:
        """What a pass over the blocks leaves behind."""
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
            (self._first_block, nothing),
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
