"""What came of a comparison: metrics of all models over their seeds, of all users and of groups, with differences."""

import csv
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.ranking.pairs import RankingPairs
from tf_metammf.ranking.user_metrics import UserLists
from tf_metammf.records.reader import read_items
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.beyond_accuracy import ListMetrics, activity_groups
from tf_metammf.trainer.comparison.compared_lists import ComparedLists
from tf_metammf.trainer.comparison.comparison_directory import ComparedModel, Comparison
from tf_metammf.trainer.comparison.references import choose_references
from tf_metammf.trainer.comparison.significance import difference, holm
from tf_metammf.trainer.planning.memory import training_memory
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.references import RANKINGS, References
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training_data import TrainingData


def comparison_results(
    comparison: Comparison,
    record_set: RecordSet,
    *,
    references: Mapping[str, str] | None = None,
    lists: ComparedLists | None = None,
) -> dict[str, Any]:
    """Numbers of a complete comparison, as plain JSON values.

    Args:
        comparison: The comparison.
        record_set: The data.
        lists: What users are shown, where it was read already.
        references: By model the one that it is compared with, as
            :func:`tf_metammf.trainer.comparison.references.choose_references` gives them; by default the first model
            for all others.

    Returns:
        ``metric``: what models are ordered by and compared in. ``monitor``: what weights are chosen by. ``order``: the
        models as they were named. ``groups``: how many users or items each group has, and ``kinds_of_groups`` which of
        the two. ``models``: by name, the best first, each with ``metrics`` of the test split and of ``validation``
        (mean, sample deviation, value of every seed), ``groups`` of users and items, ``beyond_accuracy`` by group of
        users (:mod:`tf_metammf.ranking.beyond_accuracy`), ``recall`` at every rank and, by seed, ``recall_of_seeds``,
        ``validation_curves`` over the epochs by seed (none of models that are not trained), ``seconds``,
        ``memory_bytes`` (estimated), ``peak_memory_bytes`` (measured, largest of the seeds; None where that was not
        measured for each training), ``parameters``, ``epochs`` and ``searched``, the fields that a search chose; and
        with ``reference``, the name or None, ``difference`` from it, as
        :class:`tf_metammf.trainer.comparison.significance.Difference` has it, ``p_value`` and ``p_holm``, the same
        corrected for the number of tests. ``untrained``: metrics of the test split of popularity and of a random
        ranking, by name; popularity is left out where a model is popularity.
    """
    configuration = comparison.models[0].run(comparison.seeds[0]).configuration
    lists = lists or ComparedLists(comparison, record_set)
    data, pairs, cutoffs = lists.data, lists.pairs, lists.cutoffs
    monitored = MetricName.parse(configuration.evaluation.monitor)
    metric = _compared_metric(monitored, cutoffs)
    groups = _groups(pairs, data, record_set)
    of_lists = ListMetrics(data, pairs.users)
    shared: dict[str, Any] = {"of_lists": of_lists, "monitor": str(monitored), "metric": metric}
    found = {model.name: _of_model(model, lists, groups, **shared) for model in comparison.models}
    names = [model.name for model in comparison.models]
    _compare(found, choose_references(names) if references is None else references)
    ordered = sorted(found, key=lambda name: -found[name]["metrics"][metric]["mean"])
    return {
        "metric": metric,
        "monitor": str(monitored),
        "order": names,
        "seeds": list(comparison.seeds),
        "trials": comparison.trials,
        "groups": {name: int(members.sum()) for name, (_, members) in groups.items()},
        "kinds_of_groups": {name: kind for name, (kind, _) in groups.items()},
        "models": {name: found[name] for name in ordered},
        "untrained": _untrained(comparison, References.of(data.item_popularity, lists.ranking)),
    }


def _untrained(comparison: Comparison, references: References) -> dict[str, dict[str, float]]:
    """Metrics of the rankings that need no training; popularity only where none of the models is popularity."""
    encoders = {model.run(comparison.seeds[0]).configuration.model.encoder.name for model in comparison.models}
    return {name: getattr(references, name) for name in RANKINGS if name not in encoders}


def _compared_metric(monitored: MetricName, cutoffs: Sequence[int]) -> str:
    """Recall if that is monitored, else NDCG; at its cut-off, if it is one of the evaluation, else at the largest."""
    name = monitored.metric if monitored.metric in ("recall", "ndcg") else "ndcg"
    return f"{name}@{monitored.k if monitored.k in cutoffs else max(cutoffs)}"


def _compare(found: dict[str, dict[str, Any]], references: Mapping[str, str]) -> None:
    """Adds to every model its reference, the difference from it and the p-values."""
    values = {name: of_model.pop("of users") for name, of_model in found.items()}
    for name, of_model in found.items():
        reference = references.get(name)
        of_model["reference"] = reference
        of_model["difference"] = None if reference is None else asdict(difference(values[name], values[reference]))
        of_model["p_value"] = None if reference is None else of_model["difference"].pop("p_value")
    for of_model, corrected in zip(
        found.values(), holm([of_model["p_value"] for of_model in found.values()]), strict=True
    ):
        of_model["p_holm"] = corrected


def _groups(pairs: RankingPairs, data: TrainingData, record_set: RecordSet) -> dict[str, tuple[str, NDArray[np.bool_]]]:
    """Groups of users (of the test split) and of items, by name: which of the two, and who belongs to them."""
    groups = {name: ("users", of) for name, of in activity_groups(data.user_frequency[pairs.users]).items()}
    groups |= {"warm items": ("items", data.warm_items), "cold items": ("items", ~data.warm_items)}
    if record_set.metadata.modalities:
        presence = read_items(record_set, form="vectors").presence
        available = np.sum([presence[name] for name in sorted(presence)], axis=0)
        for number in np.unique(available):
            name = f"items with {number} of {len(presence)} modalities"
            groups[name] = ("items", available == number)
    return {name: group for name, group in groups.items() if group[1].any()}


def _of_model(
    model: ComparedModel,
    compared: ComparedLists,
    groups: Mapping[str, tuple[str, NDArray[np.bool_]]],
    *,
    of_lists: ListMetrics,
    monitor: str,
    metric: str,
) -> dict[str, Any]:
    seeds, cutoffs = compared.comparison.seeds, compared.cutoffs
    runs = [model.run(seed) for seed in seeds]
    lists = [compared.of(model, seed) for seed in seeds]
    with np.load(model.lists(seeds[0]), allow_pickle=False) as content:
        parameters = int(content["parameters"])
    of_users = [each.metrics(cutoffs) for each in lists]
    curves = [_recall_curve(each, max(cutoffs)) for each in lists]
    states = [run.read("state") for run in runs]
    metrics = [run.read("metrics") for run in runs]
    is_baseline = runs[0].configuration.model.is_baseline
    return {
        "metrics": {name: _spread([each["test"][name] for each in metrics]) for name in metrics[0]["test"]},
        "validation": {monitor: _spread([state[f"validation {monitor}"] for state in states])},
        "groups": {
            name: {
                measure: _spread(
                    [_of_group(each, user, kind, members, measure) for each, user in zip(lists, of_users, strict=True)]
                )
                for measure in of_users[0]
            }
            for name, (kind, members) in groups.items()
        },
        "beyond_accuracy": _spreads([of_lists.of(each.recommended, cutoffs) for each in lists]),
        "recall": [float(value) for value in np.mean(curves, axis=0)],
        "recall_of_seeds": curves,
        "validation_curves": [] if is_baseline else [_validation_curve(run, monitor) for run in runs],
        "of users": np.stack([each[metric] for each in of_users]),
        "seconds": _spread([state["seconds"] for state in states]),
        "epochs": _spread([state["epoch"] for state in states]),
        "peak_memory_bytes": _measured_memory(states),
        "memory_bytes": training_memory(TrainingPlan(runs[0].configuration, compared.data.record_set.metadata)).total,
        "parameters": parameters,
        "searched": list(model.space.parameters),
    }


def _validation_curve(run: RunDirectory, monitor: str) -> list[float | None]:
    """The monitored metric after every epoch; None for an epoch without one."""
    with run.history_file.open(encoding="utf-8", newline="") as lines:
        values = [row.get(f"val_{monitor}") for row in csv.DictReader(lines)]
    numbers = [float(value) if value and value != "NA" else math.nan for value in values]
    return [number if math.isfinite(number) else None for number in numbers]


def _measured_memory(states: Sequence[Mapping[str, Any]]) -> int | None:
    """The largest peak; None where one of the runs has only that of its process, with trainings before it."""
    if any(state.get("peak_memory_since") != "training began" for state in states):
        return None
    return max(int(state["peak_memory_bytes"]) for state in states)


def _recall_curve(lists: UserLists, longest: int) -> list[float]:
    ranks = range(1, longest + 1)
    found = lists.metrics(ranks)
    return [float(np.nanmean(found[f"recall@{rank}"])) for rank in ranks]


def _of_group(
    lists: UserLists,
    of_users: Mapping[str, NDArray[np.float64]],
    kind: str,
    members: NDArray[np.bool_],
    measure: str,
) -> float:
    if kind == "users":
        values = of_users[measure][members]
    else:
        k = int(measure.partition("@")[2])
        values = lists.metrics([k], relevant_items=members)[measure]
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def _spreads(of_seeds: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, Any]]:
    """By group and metric the spread over seeds."""
    return {
        group: {name: _spread([each[group][name] for each in of_seeds]) for name in metrics}
        for group, metrics in of_seeds[0].items()
    }


def _spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and sample deviation, and the values; None for what is not a number."""
    given = [float(value) if value is not None and np.isfinite(value) else None for value in values]
    numbers = [value for value in given if value is not None]
    return {
        "mean": statistics.fmean(numbers) if numbers else None,
        "deviation": statistics.stdev(numbers) if len(numbers) > 1 else None,
        "values": given,
    }
