"""What serving needs of a baseline, as one module with its signatures: the control arm of an A/B test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Baseline
from tf_metammf.baselines.ials import IALS
from tf_metammf.baselines.item_weights import ItemWeights
from tf_metammf.baselines.popularity import Popularity
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.baseline_scores import (
    BaselineScores,
    FactorScores,
    HistoryScores,
    NeighbourScores,
    PopularityScores,
)
from tf_metammf.export.popular_items import PopularItems
from tf_metammf.export.recommending_module import Found, RecommendingModule
from tf_metammf.export.request_signatures import ITEM_ID, trace
from tf_metammf.export.reranking_options import RerankingOptions


class BaselineModule(RecommendingModule):
    """Scores by the training items of a user, seen items, popularity and ids of a baseline.

    Signatures take and return what those of :class:`tf_metammf.export.serving_module.ServingModule` do. Known users,
    and histories with a known item, are ranked by the scores that the evaluation ranks by; everybody else by
    popularity, the items' share of the training interactions.

    Args:
        model: :class:`tf_metammf.baselines.popularity.Popularity`, :class:`tf_metammf.baselines.item_knn.ItemKNN`,
            :class:`tf_metammf.baselines.ease.EASE` or :class:`tf_metammf.baselines.ials.IALS`.
        user_ids: Raw user ids by dense id.
        item_ids: Raw item ids by dense id.
        seen: Dense user ids and item ids of the training interactions, two arrays ``[n]``.
        labels: A folder for the label files, needed until the module is saved.
        k: Places of ``serving_default`` and ``similar_items``, at least 1; capped by the catalogue.
        popularity: What items are popular by, ``[items]``; by default their training interactions.
        reranking: As :class:`tf_metammf.export.recommending_module.RecommendingModule` takes it.

    Raises:
        InvalidInputError: The baseline has no form that can be served, or no vectors to re-rank by, or ids do not fit.
    """

    def __init__(
        self,
        model: Baseline,
        *,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        seen: tuple[NDArray[np.integer], NDArray[np.integer]],
        labels: Path,
        k: int,
        popularity: NDArray[np.number] | None = None,
        reranking: RerankingOptions | None = None,
    ) -> None:
        factors = FactorScores(model) if isinstance(model, IALS) else None
        super().__init__(
            user_ids=user_ids,
            item_ids=item_ids,
            seen=seen,
            labels=labels,
            k=k,
            popularity=popularity,
            reranking=reranking,
            directions=None if factors is None else factors.directions,
        )
        self._scores = _scores(model, self._popular) if factors is None else factors
        if self._scores.items != len(item_ids):
            raise InvalidInputError(
                f"the model has {self._scores.items} items, but there are {len(item_ids)} item ids."
            )

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name.

        Returns:
            ``serving_default``, ``recommend``, ``recommend_for_history``, ``score`` and, of nearest neighbours,
            ``similar_items``.
        """
        signatures = super().signatures()
        if isinstance(scores := self._scores, HistoryScores):
            signatures["similar_items"] = trace(
                lambda item_id: self._similar_items(item_id, lambda items: scores.similar(items, self._k)), ITEM_ID
            )
        return signatures

    def _queries_of(self, users: tf.Tensor) -> tf.Tensor:
        return self._seen.pairs(users)

    def _queries_of_histories(self, pairs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        # Scores are looked up in pairs by their order.
        return tf.gather(pairs, tf.argsort(pairs[:, 0] * self._items_count + pairs[:, 1]))

    def _search(self, queries: tf.Tensor, rows: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> Found:
        return self._scores.search(queries, rows, k, excluded=excluded)

    def _scores_of(self, queries: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return self._scores.of(queries, items)


def _scores(model: Baseline, popular: PopularItems) -> BaselineScores:
    if isinstance(model, Popularity):
        return PopularityScores(model.frequency.numpy(), popular)
    if isinstance(model, ItemWeights):
        return NeighbourScores(model.neighbours.numpy(), model.similarity.numpy(), model.borrowed)
    raise InvalidInputError(
        f"{type(model).__name__} cannot be exported: of the baselines, Popularity, ItemKNN, EASE and IALS have a "
        "form that can be served."
    )
