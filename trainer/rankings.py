"""The full rankings of a training: of the validation split after every epoch, of all splits at the end."""

from collections.abc import Sequence

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.metric_names import ALL, METRICS, MetricName
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.worker_group import WorkerGroup
from tf_metammf.trainer.training_data import TrainingData


def validation_ranking(plan: TrainingPlan, data: TrainingData, *, group: WorkerGroup | None = None) -> FullRanking:
    """The ranking of the validation split that early stopping and the choice of weights follow.

    Raises:
        InvalidInputError: There is nothing to find in the part of the items that is monitored.
    """
    monitored = MetricName.parse(plan.configuration.evaluation.monitor)
    validation = make_full_ranking(
        data,
        "validation",
        cutoffs=[monitored.k],
        metrics=list(dict.fromkeys([monitored.metric, "recall", "ndcg"])),
        by_kind=monitored.part != ALL,
        group=group,
    )
    if monitored.ranked not in validation.names:
        raise InvalidInputError(
            f'evaluation.monitor is "{monitored}", but the validation split has no {monitored.part} items to find. '
            f"It has: {', '.join(validation.names)}."
        )
    return validation


def final_rankings(
    plan: TrainingPlan, data: TrainingData, *, splits: Sequence[str], group: WorkerGroup | None = None
) -> dict[str, FullRanking]:
    """The rankings by split that the metrics of the chosen weights come from; of those splits that are not empty."""
    found = plan.metadata.splits
    return {
        split: make_full_ranking(data, split, cutoffs=plan.configuration.evaluation.k, group=group)
        for split in splits
        if split in found and found[split].interactions
    }


def make_full_ranking(
    data: TrainingData,
    split: str,
    *,
    cutoffs: Sequence[int],
    metrics: Sequence[str] = METRICS,
    by_kind: bool = True,
    group: WorkerGroup | None = None,
) -> FullRanking:
    """Full ranking of a split: training items masked, and for the test split the validation items too.

    Args:
        data: The record set.
        split: The split whose interactions are to be found.
        cutoffs: K.
        metrics: Metrics to compute.
        by_kind: Whether to report warm and cold items apart.
        group: The processes that share the users; None for this one alone.

    Raises:
        InvalidInputError: The split is unknown or has no interactions.
    """
    masked = {"train": [], "validation": ["train"], "test": ["train", "validation"]}.get(split, ["train"])
    metadata = data.record_set.metadata
    if split in metadata.splits and not metadata.splits[split].interactions:
        raise InvalidInputError(f'{data.record_set.folder}: the split "{split}" is empty. Convert with another split.')
    return FullRanking(
        data.interactions_of(split),
        users=metadata.users,
        items=metadata.items,
        masked=[data.interactions_of(other) for other in masked],
        cutoffs=cutoffs,
        metrics=metrics,
        warm_items=data.warm_items if by_kind else None,
        group=group,
    )
