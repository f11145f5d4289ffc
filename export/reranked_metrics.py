"""What a re-ranking costs and brings on a split of the record set, before it is exported."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.reranking import Directions, Reranking
from tf_metammf.export.reranking_options import RerankingOptions
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.user_metrics import UserLists
from tf_metammf.trainer.beyond_accuracy import ALL_USERS, ListMetrics
from tf_metammf.trainer.rankings import make_full_ranking

if TYPE_CHECKING:
    from tf_metammf.trainer.runs.run_directory import RunDirectory

_USERS_AT_ONCE = 1024


def reranked_metrics(
    run: "RunDirectory",
    options: RerankingOptions,
    *,
    records: str | Path | None = None,
    split: str = "test",
) -> dict[str, dict[str, float]]:
    """Recall and NDCG, and metrics beyond accuracy, of lists by score and of the same lists re-ranked.

    The lists are those that an export with these options gives known users, without what the evaluation masks.

    Args:
        run: The run directory.
        options: The re-ranking.
        records: Where the record set is now; None for where it was in training.
        split: ``"validation"`` or ``"test"``.

    Returns:
        ``"by score"`` and ``"re-ranked"``, each by name of the metric, at the cut-offs of the run's evaluation.

    Raises:
        InvalidInputError: There are fewer candidates than the largest cut-off, or nothing to tell similarities by.
    """
    from tf_metammf.trainer.evaluation import load_model

    model, data = load_model(run, records)
    if options.needs_content:
        options = replace(options, content=data.content_directions())
    cutoffs = sorted(run.configuration.evaluation.k)
    options.require_places(min(cutoffs[-1], data.record_set.metadata.items))
    ranking = make_full_ranking(data, split, cutoffs=[options.candidates])
    reranking = Reranking(options, item_frequency=data.item_frequency, vectors=_vectors(model, options))
    by_score = ranking.recommended_by(model)
    of_lists = ListMetrics(data, ranking.pairs.users)
    lists = {"by score": by_score, "re-ranked": _reranked(model, ranking, reranking, by_score)}
    return {
        name: _accuracy(ranking, found, cutoffs, warm=data.warm_items) | of_lists.of(found, cutoffs)[ALL_USERS]
        for name, found in lists.items()
    }


def _vectors(model: Any, options: RerankingOptions) -> Directions:
    if options.needs_content or not options.diversity:
        return lambda items: items
    if hasattr(model, "item_factors"):
        vectors = model.item_factors.numpy()
    elif hasattr(model, "scores"):
        raise InvalidInputError(
            f"reranking: similarity is vectors, but {type(model).__name__} has no vectors of items. Use content."
        )
    else:
        vectors = model.embeddings()[1].numpy()
    directions = tf.math.l2_normalize(tf.constant(vectors), axis=1)
    return lambda items: tf.gather(directions, items)


def _reranked(model: Any, ranking: FullRanking, reranking: Reranking, lists: NDArray[np.int32]) -> NDArray[np.integer]:
    """The lists, ``[users, candidates]``, in their new order."""
    embeddings = None if hasattr(model, "scores") else model.embeddings()
    best = tf.function(reranking.best, reduce_retracing=True)
    found = []
    for first in range(0, len(lists), _USERS_AT_ONCE):
        users = tf.constant(ranking.pairs.users[first : first + _USERS_AT_ONCE])
        items = tf.constant(lists[first : first + _USERS_AT_ONCE].astype(np.int64))
        filled = items < ranking.items
        known = tf.where(filled, items, 0)
        if embeddings is None:
            scores = tf.gather(model.scores(users), known, batch_dims=1)
        else:
            scores = tf.einsum("ud,ukd->uk", tf.gather(embeddings[0], users), tf.gather(embeddings[1], known))
        _, ordered = best(
            tf.where(filled, scores, -float("inf")), tf.where(filled, items, -1), tf.constant(lists.shape[1])
        )
        found.append(ordered.numpy())
    return np.where((ordered := np.concatenate(found)) < 0, ranking.items, ordered)


def _accuracy(
    ranking: FullRanking, lists: NDArray[np.integer], cutoffs: Sequence[int], *, warm: NDArray[np.bool_]
) -> dict[str, float]:
    of_users = UserLists(ranking.pairs, lists, ranking.items)
    found = {}
    for prefix, relevant in (("", None), ("warm/", warm), ("cold/", ~warm)):
        for name, values in of_users.metrics(cutoffs, relevant_items=relevant).items():
            known = values[np.isfinite(values)]
            if len(known):
                found[f"{prefix}{name}"] = float(known.mean())
    return found
