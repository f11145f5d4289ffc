"""Full ranking: every user of a split ranks the whole catalogue, on the device, in one pass for all metrics."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.block_ranking import Ranked, ScoreFunction
from tf_metammf.ranking.metric_names import COLD_ONLY, METRICS, MetricName, check_metric
from tf_metammf.ranking.metrics import averages
from tf_metammf.ranking.pairs import Pairs, ranking_pairs
from tf_metammf.ranking.parts import RankingPart, ranking_parts
from tf_metammf.ranking.ranking_pass import RankingPass

SCORE_BYTES = 32 * 2**20
MAXIMUM_BLOCK_USERS = 4096


class RankingGroup(Protocol):
    """Processes that rank together; :class:`tf_metammf.trainer.runs.worker_group.WorkerGroup` is one.

    Attributes:
        index: The number of this process.
        size: Number of processes.
    """

    index: int
    size: int

    def gather(self, value: Any) -> Any:
        """The values of all processes, ``[size, ...]``."""


class FullRanking:
    """Metrics of the full ranking of one split.

    Built once for a split and evaluated as often as wanted::

        validation = FullRanking(validation_pairs, users=9308, items=6710, masked=[training_pairs])
        validation.evaluate(user_embeddings, item_embeddings)  # {"precision@10": 0.011, ...}

    Every user with at least one positive ranks all items but the masked ones by score, in float32; of equal
    scores the lower item id comes first. Users without positives are left out. A masked item is never recommended,
    and where fewer than K items are left the list is shorter, but precision still divides by K. A pair that is
    both masked and positive cannot be found, so it is no positive; ``pairs.masked_positives`` counts them. Pairs
    given twice count once.

    With ``warm_items`` the metrics are also reported by kind of item:

    - ``"warm/recall@20"``, ``"cold/recall@20"``: the same lists, but only items of that kind are relevant.
    - ``"cold_only/recall@20"``: the cold items alone are ranked, which shows how well they are told apart.

    Users without a relevant item of that kind are left out of these averages, and a part without any user is left
    out of the result. The coverage of a part is the share of its items that are recommended to any
    user with positives, for ``cold_only`` to any user with a cold positive.

    Users are ranked in blocks by one compiled loop, so the memory does not grow with users times items. With ``group``
    every process ranks its share of the blocks, and all have the metrics of all users.

    Args:
        positives: User ids and item ids of the interactions of the split, two integer arrays of equal length.
        users: Number of users of the record set.
        items: Number of items of the record set.
        masked: Pairs taken out of the ranking, in the same form: the training interactions and, for the test
            split, those of validation. Defaults to none.
        cutoffs: The K to report. Defaults to 10, 20 and 50.
        metrics: Names out of :data:`tf_metammf.ranking.metric_names.METRICS`, defined in
            :mod:`tf_metammf.ranking.metrics`. Defaults to all of them.
        warm_items: bool ``[items]``, True where the item has a training interaction; the others are cold.
            Defaults to None: no report by kind of item.
        group: The processes that share the users, all of which have to evaluate alike; None for this one alone.
        score_bytes: Memory for the scores of a block of users; the peak of a block is about three times that.
            Defaults to 32 MiB.

    Attributes:
        pairs: The pairs as they are used; ``pairs.users`` are the users with positives.
        names: The keys of the result, in its order.
        counts: What is behind the numbers of every part, also of a part without users: ``users`` with relevant items,
            ``items`` of the part, and ``interactions`` to be found.
        parts: The parts of the result.
        cutoffs: The K, ascending, each once.
        users: Number of users of the record set.
        items: Number of items of the record set.

    Raises:
        InvalidInputError: An id is out of range, arrays do not match, no positive is left, a metric is unknown,
            or a cut-off is below 1.

    Examples:
        >>> import numpy as np
        >>> from tf_metammf import FullRanking
        >>> ranking = FullRanking(([0, 1], [2, 0]), users=2, items=3, cutoffs=[1])
        >>> users, items = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), np.eye(3)
        >>> ranking.evaluate(users, items)["recall@1"]  # user 0 gets item 2, user 1 gets item 1
        0.5
    """

    def __init__(
        self,
        positives: Pairs,
        *,
        users: int,
        items: int,
        masked: Sequence[Pairs] = (),
        cutoffs: Sequence[int] = (10, 20, 50),
        metrics: Sequence[str] = METRICS,
        warm_items: ArrayLike | None = None,
        group: RankingGroup | None = None,
        score_bytes: int = SCORE_BYTES,
    ):
        for metric in metrics:
            check_metric(metric)
        if not cutoffs or min(cutoffs) < 1:
            raise InvalidInputError(f"cut-offs: found {list(cutoffs)}, expected at least one, and none below 1.")
        self.pairs = ranking_pairs(
            positives,
            masked,
            users=users,
            items=items,
            maximum_block_rows=min(max(score_bytes // (4 * items), 1), MAXIMUM_BLOCK_USERS),
        )
        self.users, self.items = users, items
        self._metrics = tuple(dict.fromkeys(metrics))
        self.cutoffs = tuple(sorted(set(cutoffs)))
        parts = ranking_parts(self.pairs, items=items, warm_items=warm_items)
        self.counts = {part.name: part.counts for part in parts}
        self.parts = tuple(part for part in parts if part.users)
        self.names = tuple(str(name) for part in self.parts for name in self._part_names(part))
        self._group = group
        share = (0, 1) if group is None else (group.index, group.size)
        self._pass = RankingPass(self.pairs, self.parts, items=items, cutoffs=self.cutoffs, share=share)

    def evaluate(self, user_embeddings: Any, item_embeddings: Any) -> dict[str, float]:
        """Metrics of the ranking by dot product.

        Args:
            user_embeddings: ``[users, width]``, of all users.
            item_embeddings: ``[items, width]``, of all items.

        Returns:
            By the keys of ``names``.

        Raises:
            InvalidInputError: The shapes do not fit, or an embedding or a score is NaN or infinite.
        """
        return self._result(self._pass.rank_embeddings(*self._checked(user_embeddings, item_embeddings)))

    def recommended(self, user_embeddings: Any, item_embeddings: Any) -> NDArray[np.int32]:
        """The lists that the metrics are made of.

        Args:
            user_embeddings: ``[users, width]``, of all users.
            item_embeddings: ``[items, width]``, of all items.

        Returns:
            The first items of every user of ``pairs.users``, as many as the largest cut-off or as there are items,
            int32 ``[n, K]``; the number of items stands where no more could be ranked. With ``group`` every process
            has the lists of all users.

        Raises:
            InvalidInputError: As :meth:`evaluate`.
        """
        embeddings = self._checked(user_embeddings, item_embeddings)
        return self._lists(*self._pass.recommend_embeddings(*embeddings))

    def evaluate_scores(self, score_function: ScoreFunction) -> dict[str, float]:
        """Metrics of the ranking by any score.

        Args:
            score_function: From user ids, int64 ``[n]``, to their scores of all items, ``[n, items]``. It is
                compiled together with the ranking, once for every function object: give the same one every time.

        Returns:
            By the keys of ``names``.

        Raises:
            InvalidInputError: The scores are not ``[n, items]``, or one is NaN or positive infinity.
        """
        return self._result(self._pass.rank_scores(score_function))

    def evaluate_model(self, model: Any) -> dict[str, float]:
        """Metrics of a model: of its scores where it has those of all items, else of its embeddings."""
        if hasattr(model, "scores"):
            return self.evaluate_scores(model.scores)
        return self.evaluate(*model.embeddings())

    def recommended_by(self, model: Any) -> NDArray[np.int32]:
        """The lists of a model, as :meth:`recommended`."""
        if hasattr(model, "scores"):
            return self._lists(*self._pass.recommend_scores(model.scores))
        return self.recommended(*model.embeddings())

    def named(self, values: Mapping[str, Mapping[str, Mapping[int, float]]]) -> dict[str, float]:
        """The values by part, metric and cut-off as a result of this ranking, by the keys of ``names``."""
        return {
            str(name): values[part.name][name.metric][name.k] for part in self.parts for name in self._part_names(part)
        }

    def _part_names(self, part: RankingPart) -> list[MetricName]:
        return [MetricName(metric, k, part.name) for metric in self._metrics for k in self.cutoffs]

    def _checked(self, user_embeddings: Any, item_embeddings: Any) -> tuple[Any, Any]:
        user_embeddings = _checked_embeddings(user_embeddings, what="user", rows=self.users)
        item_embeddings = _checked_embeddings(item_embeddings, what="item", rows=self.items)
        if user_embeddings.shape[1] != item_embeddings.shape[1]:
            raise InvalidInputError(
                f"full ranking: user embeddings are {user_embeddings.shape[1]} wide and item embeddings "
                f"{item_embeddings.shape[1]}, expected the same width. Give the embeddings of one model."
            )
        return user_embeddings, item_embeddings

    def _lists(self, own_lists: Any, own_usable: Any) -> NDArray[np.int32]:
        """The lists of all users from those of this process."""
        self._require_usable(own_usable)
        if self._group is None:
            lists: NDArray[np.int32] = own_lists.numpy()
            return lists
        counts = self._pass.rows_of_processes
        # Only arrays of one shape can be gathered.
        padded = tf.pad(own_lists, [[0, max(counts) - own_lists.shape[0]], [0, 0]])
        of_processes = np.asarray(self._group.gather(padded))
        return np.concatenate([some[:count] for some, count in zip(of_processes, counts, strict=True)])

    def _require_usable(self, own_usable: Any) -> None:
        """Sees, in all processes alike, that the scores of all of them could be ranked."""
        usable = own_usable
        if self._group is not None:
            usable = tf.reduce_all(tf.cast(self._group.gather(tf.cast(own_usable, tf.int32)), tf.bool))
        if not usable:
            raise InvalidInputError(
                "full ranking: scores are NaN or infinite, expected finite numbers (or minus infinity for an item "
                "that must not be recommended). Check the embeddings and the training loss."
            )

    def _result(self, ranked: Ranked) -> dict[str, float]:
        self._require_usable(ranked.usable)
        if self._group is not None:
            ranked = Ranked(
                sums=tf.reduce_sum(self._group.gather(ranked.sums), axis=0),
                best_ranks=tf.reduce_min(self._group.gather(ranked.best_ranks), axis=0),
                usable=ranked.usable,
            )
        result = {}
        for part, part_sums in zip(self.parts, ranked.sums.numpy(), strict=True):
            values = averages(part_sums, cutoffs=self.cutoffs, users=part.users, relevant=part.interactions)
            ranks = ranked.best_ranks[-1 if part.name == COLD_ONLY else 0].numpy()[:-1][part.is_item]
            values["coverage"] = {k: float(np.mean(ranks <= min(k, self.items))) for k in self.cutoffs}
            result[part.name] = values
        return self.named(result)


def _checked_embeddings(embeddings: Any, *, what: str, rows: int) -> Any:
    embeddings = tf.cast(embeddings, tf.float32)
    if embeddings.shape.rank != 2 or embeddings.shape[0] != rows:
        raise InvalidInputError(
            f"full ranking: {what} embeddings have shape {tuple(embeddings.shape)}, expected ({rows}, width). "
            f"Give one row for every {what} of the record set."
        )
    broken = np.flatnonzero(~tf.reduce_all(tf.math.is_finite(embeddings), axis=1).numpy())
    if len(broken):
        raise InvalidInputError(
            f"full ranking: {len(broken)} of {rows} {what} embeddings hold NaN or infinite values (the first is "
            f"row {broken[0]}), expected finite numbers. Check the training loss: the training has probably diverged."
        )
    return embeddings
