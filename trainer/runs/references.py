"""What the metrics of a run are held against: popularity, a random ranking, and the numbers behind each of them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.reference_rankings import popularity_metrics, random_metrics
from tf_metammf.trainer.runs.run_directory import RunDirectory

FILE = "references"
"""The JSON file of a run directory that has the references of its splits."""

RANKINGS = ("popularity", "random")
"""The rankings that a model is held against, by name."""


@dataclass(frozen=True)
class References:
    """What any model has to be ahead of on a split, and what its numbers are made of.

    Attributes:
        popularity: Metrics of ranking by training interactions, under the names that a model's metrics have.
        random: Expected metrics of a ranking in random order, under the same names.
        counts: ``users`` with something to find, ``items`` and ``interactions`` to be found, by part of the items:
            ``"all"``, ``"warm"``, ``"cold"``, ``"cold_only"``.
    """

    popularity: dict[str, float]
    random: dict[str, float]
    counts: dict[str, dict[str, int]]

    @classmethod
    def of(cls, item_popularity: NDArray[np.number], ranking: FullRanking) -> "References":
        """The references of a split, from its full ranking."""
        return cls(popularity_metrics(ranking, item_popularity), random_metrics(ranking), ranking.counts)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def write_references(
    run: RunDirectory, item_popularity: NDArray[np.number], rankings: Mapping[str, FullRanking], validation: FullRanking
) -> None:
    """Writes the references of a run beside its metrics.

    Args:
        run: The run directory.
        item_popularity: Training interactions of each item, or the sum of their weights, ``[items]``.
        rankings: The rankings by split that its final metrics come from.
        validation: The ranking that its weights are chosen by, whose cut-off may be another.
    """
    chosen = References.of(item_popularity, validation)
    found = {split: References.of(item_popularity, ranking) for split, ranking in rankings.items()}
    final = found.get("validation", chosen)
    found["validation"] = References(
        chosen.popularity | final.popularity, chosen.random | final.random, chosen.counts | final.counts
    )
    run.write(FILE, {split: references.to_json() for split, references in found.items()})


def read_references(run: RunDirectory) -> dict[str, References]:
    """The references of a run by split; none for a run that an earlier version trained.

    Raises:
        InvalidInputError: The file is damaged.
    """
    if not (run.folder / f"{FILE}.json").is_file():
        return {}
    content = run.read(FILE)
    fields = set(References.__dataclass_fields__)
    for split, values in content.items():
        if (
            not isinstance(values, dict)
            or set(values) != fields
            or not all(isinstance(each, dict) for each in values.values())
        ):
            raise InvalidInputError(
                f'{run.folder / f"{FILE}.json"}: split "{split}" does not hold {", ".join(sorted(fields))}. Delete the '
                "file, or train the model again."
            )
    return {split: References(**values) for split, values in content.items()}


PATIENT_STEPS = 100
"""Steps without a better epoch that a training should have before it stops. On small data an epoch is a step or two,
and ten epochs are too few to tell."""


def remarks_on(run: RunDirectory) -> list[str]:
    """What should be known before the metrics of a finished run are believed, a sentence each.

    Whether the model is behind popularity or a random ranking by the monitored metric, on any split; whether the
    best epoch is the last one that was allowed, where a training of one epoch has none before it to be better than;
    and whether training was stopped after fewer than :data:`PATIENT_STEPS` steps without a better epoch.
    """
    configuration, state = run.configuration, run.read("state")
    monitor = configuration.evaluation.monitor
    metrics = run.read("metrics") if run.metrics_file.is_file() else {}
    validation = {monitor: state.get(f"validation {monitor}")} | metrics.get("validation", {})
    references = read_references(run)
    remarks = [
        remark
        for split, values in {**metrics, "validation": validation}.items()
        if split in references
        and (remark := behind_references(values, references[split], monitor=monitor, what=f"{split} {monitor}"))
    ]
    epochs, best = state.get("epoch") or 0, state.get("best_epoch")
    if not configuration.model.is_baseline and best and 1 < best == epochs >= configuration.training.epochs:
        remarks.append(
            f"validation {monitor} was still improving at the last epoch: the best, epoch {best}, is the last one that "
            "training.epochs allows. Increase it and continue with --resume force"
        )
    patience, steps = configuration.training.patience, state.get("step") or 0
    waited = epochs - best if best and not configuration.model.is_baseline else 0
    if waited and 0 < patience <= waited and 0 < steps * waited < PATIENT_STEPS * epochs:
        wanted = math.ceil(PATIENT_STEPS * epochs / steps)
        remarks.append(
            f"training stopped {steps * waited / epochs:.0f} steps after its best epoch, because an epoch has few "
            f"steps here: training.patience is {patience}. Try --training.patience {wanted} --training.epochs "
            f"{10 * wanted}; train without options does it by itself"
        )
    return remarks


def behind_references(
    metrics: Mapping[str, float | None], references: References, *, monitor: str, what: str
) -> str | None:
    """A sentence where the monitored metric is lower than that of popularity or of a random ranking; else None.

    Args:
        metrics: Of the model.
        references: Of the same split.
        monitor: Name of the metric; without a value on either side there is nothing to say.
        what: What the numbers are, such as ``"test ndcg@20"``.
    """
    value = metrics.get(monitor)
    ahead = [
        f"{name} ({values[monitor]:.4f})"
        for name, values in (("popularity", references.popularity), ("a random ranking", references.random))
        if value is not None and monitor in values and value < values[monitor]
    ]
    return f"the model is worse than {' and '.join(ahead)} on {what}: {value:.4f}" if ahead else None


def describe_counts(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What is behind the numbers of each kind of items, a line each; "none" for a kind that no user looks for.

    The cold items that are ranked alone are the cold ones among all items, and have no line.

    Args:
        counts: As :class:`References` has them.
    """
    return [
        f"{part} items: none"
        if not behind["users"]
        else f"{part} items: {behind['users']:,} users, {behind['items']:,} items, "
        f"{behind['interactions']:,} interactions to find"
        for part, behind in counts.items()
        if part != "cold_only"
    ]
