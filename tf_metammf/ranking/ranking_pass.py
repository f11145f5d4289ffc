"""The pass of a full ranking over the scores, on the device: block after block of users, one compiled loop."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf

from tf_metammf.ranking.block_ranking import BlockRanking, Ranked, RankingInputs, RankingSettings, ScoreFunction
from tf_metammf.ranking.pairs import RankingPairs
from tf_metammf.ranking.parts import RankingPart


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
        self._settings = RankingSettings(tuple(part.name for part in parts), items, tuple(cutoffs))
        number, processes = share
        block_bounds = [pairs.blocks * place // processes for place in range(processes + 1)]
        row_bounds = [min(block * pairs.block_rows, len(pairs.users)) for block in block_bounds]
        self.rows_of_processes = [end - first for first, end in pairwise(row_bounds)]
        masked_places = np.stack([pairs.masked.rows % pairs.block_rows, pairs.masked.items], axis=1)
        self._inputs = RankingInputs(
            blocks=tf.constant(block_bounds[number : number + 2]),
            block_rows=tf.constant(pairs.block_rows),
            users=tf.constant(pairs.users),
            positive_keys=tf.constant(pairs.positives.rows * (items + 1) + pairs.positives.items),
            positive_offsets=tf.constant(pairs.positives.offsets),
            masked_places=tf.constant(masked_places.astype(np.int32)),
            masked_offsets=tf.constant(pairs.masked.offsets),
            is_item=tuple(tf.constant(np.append(part.is_item, False)) for part in parts),
            relevant=tuple(tf.constant(part.relevant) for part in parts),
        )

    def rank_embeddings(self, user_embeddings: Any, item_embeddings: Any) -> Ranked:
        """Ranks by dot product: float32 ``[users, width]`` and ``[items, width]``."""
        return self._by_embeddings(BlockRanking.rank, user_embeddings, item_embeddings)

    def recommend_embeddings(self, user_embeddings: Any, item_embeddings: Any) -> tuple[Any, Any]:
        """The lists of the users of this process by dot product, as :meth:`BlockRanking.recommend` has them."""
        return self._by_embeddings(BlockRanking.recommend, user_embeddings, item_embeddings)

    @tf.function(autograph=False)
    def rank_scores(self, score_function: ScoreFunction) -> Ranked:
        """Ranks by the scores of a function from user ids, int64 ``[n]``, to ``[n, items]``."""
        return self._blocks.rank(score_function)

    @tf.function(autograph=False)
    def recommend_scores(self, score_function: ScoreFunction) -> tuple[Any, Any]:
        """The lists of the users of this process by a score function, as :meth:`recommend_embeddings`."""
        return self._blocks.recommend(score_function)

    @property
    def _blocks(self) -> BlockRanking:
        return BlockRanking(self._inputs, self._settings)

    def _by_embeddings(self, ranks: Callable[..., Any], user_embeddings: Any, item_embeddings: Any) -> Any:
        return _by_embeddings(ranks, self._settings)(self._inputs, user_embeddings, item_embeddings)


@lru_cache(maxsize=32)
def _by_embeddings(ranks: Callable[..., Any], settings: RankingSettings) -> Callable[..., Any]:
    """A method of :class:`BlockRanking` by dot product, compiled once for all rankings with the same settings.

    A training has three rankings, and a search or comparison many trainings: tracing each of them anew takes longer
    than ranking a small catalogue.
    """

    vector, matrix = [None], [None, None]
    inputs = RankingInputs(
        blocks=tf.TensorSpec([2], tf.int32),
        block_rows=tf.TensorSpec([], tf.int32),
        users=tf.TensorSpec(vector, tf.int64),
        positive_keys=tf.TensorSpec(vector, tf.int64),
        positive_offsets=tf.TensorSpec(vector, tf.int64),
        masked_places=tf.TensorSpec([None, 2], tf.int32),
        masked_offsets=tf.TensorSpec(vector, tf.int64),
        is_item=tuple(tf.TensorSpec([settings.items + 1], tf.bool) for _ in settings.parts),
        relevant=tuple(tf.TensorSpec(vector, tf.int64) for _ in settings.parts),
    )
    embeddings = tf.TensorSpec(matrix, tf.float32)

    # Of any sizes from the start: a graph for the sizes of one ranking may round elsewhere than that for all.
    @tf.function(autograph=False, input_signature=[inputs, embeddings, embeddings])
    def ranked(inputs: RankingInputs, user_embeddings: Any, item_embeddings: Any) -> Any:
        # Transposed once here, because a product with few rows would spend much of its time on it in every block.
        columns = tf.transpose(item_embeddings)
        return ranks(
            BlockRanking(inputs, settings), lambda users: tf.matmul(tf.gather(user_embeddings, users), columns)
        )

    return ranked
