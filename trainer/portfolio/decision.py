"""Which candidate of a race is taken instead of the best, and how sure it is that it is hardly worse.

Candidates are compared by single users of the validation split.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.ranking.metric_names import COLD, COLD_ONLY, WARM, MetricName
from tf_metammf.ranking.user_metrics import UserLists
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.portfolio.candidates import Candidate
from tf_metammf.trainer.portfolio.race_record import Entry
from tf_metammf.trainer.rankings import make_full_ranking
from tf_metammf.trainer.runs.run_directory import RunDirectory

FEW_USERS = 200
"""Users with something to find on validation below which a trained candidate has to be ahead by :data:`MANY_ERRORS`:
its value is that of the best of its epochs, and calibrated, for just these users (the sample of MetaMMF's authors, 81
users: 0.136 on validation, 0.071 on test)."""

MANY_ERRORS = 3
"""Standard errors of the difference over users."""


@dataclass(frozen=True)
class Preference:
    """Candidates of a kind, which are taken instead of the best one where they are hardly worse.

    Attributes:
        errors: Standard errors of the difference over users that they may be behind.
        advantage: What they have that the best one has not.
        suits: Whether a candidate with its measurements is of the kind.
    """

    errors: int
    advantage: str
    suits: Callable[[Candidate, Entry], bool]

    def reason(self, best: str) -> str:
        """Why one of them is taken instead of the best."""
        errors = "one standard error" if self.errors == 1 else f"{self.errors} standard errors"
        return f"within {errors} of {best}, the best, {self.advantage}"


def preferences(best: Candidate, *, users: int) -> list[Preference]:
    """What is taken instead of the best candidate, the first that is there and near enough.

    Where the best cannot serve new items: the best that is trained, looks at content and finds cold items on
    validation, if there are any; or else, if the best is trained, the best that takes no training. Both may be behind
    by one standard error of the difference over users. With fewer than :data:`FEW_USERS` users the best that takes no
    training may be behind by :data:`MANY_ERRORS`, and nothing else is preferred: what wins by chance is trained and has
    a seed.

    Args:
        best: The best one on validation.
        users: Users with something to find there.
    """
    if users < FEW_USERS:
        advantage = f"and takes no training ({users} users are too few to choose epochs by)"
        return [Preference(MANY_ERRORS, advantage, _takes_no_training)] if best.is_trained else []
    if best.serves_newcomers:
        return []
    serving = Preference(1, "and serves new items, too", _serves_new_items)
    return [serving, Preference(1, "and takes no training", _takes_no_training)] if best.is_trained else [serving]


def _serves_new_items(candidate: Candidate, entry: Entry) -> bool:
    return candidate.serves_newcomers and entry.cold_recall != 0  # None where there are none to find


def _takes_no_training(candidate: Candidate, entry: Entry) -> bool:
    return not candidate.is_trained


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
