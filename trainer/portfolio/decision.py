"""How sure it is that one candidate of a race is better than another: by single users of the validation split."""

import numpy as np
from numpy.typing import NDArray

from tf_metammf.ranking.metric_names import COLD, COLD_ONLY, WARM, MetricName
from tf_metammf.ranking.user_metrics import UserLists
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.rankings import make_full_ranking
from tf_metammf.trainer.runs.run_directory import RunDirectory


def metric_of_users(run: RunDirectory, record_set: RecordSet, monitored: MetricName) -> NDArray[np.float64]:
    """Recall of every user on validation if that is monitored, else NDCG; of warm or cold items if those are.

    Args:
        run: The run of a candidate.
        record_set: The data.
        monitored: The metric that candidates are compared by.

    Returns:
        float64 ``[n]``, of the users who have something to find there.
    """
    model, data = load_model(run, record_set.folder)
    metric = monitored.metric if monitored.metric in ("recall", "ndcg") else "ndcg"
    kind = {WARM: data.warm_items, COLD: ~data.warm_items, COLD_ONLY: ~data.warm_items}.get(monitored.part)
    ranking = make_full_ranking(data, "validation", cutoffs=[monitored.k])
    lists = UserLists(ranking.pairs, ranking.recommended_by(model), ranking.items)
    values = lists.metrics([monitored.k], relevant_items=kind)[f"{metric}@{monitored.k}"]
    found: NDArray[np.float64] = values[np.isfinite(values)]
    return found


def is_near(best: NDArray[np.float64], other: NDArray[np.float64], *, errors: float = 1.0) -> bool:
    """Whether the mean over users is behind by at most so many standard errors of the difference."""
    difference = best - other
    return bool(difference.mean() <= errors * difference.std() / max(len(difference), 1) ** 0.5)
