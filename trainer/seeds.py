"""One configuration over several seeds: mean and standard deviation of its metrics."""

import logging
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tf_keras as keras

from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.references import read_references, remarks_on
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training import train

logger = logging.getLogger(__name__)


def train_with_seeds(
    record_set: RecordSet,
    configuration: Configuration,
    runs: dict[int, RunDirectory],
    *,
    group: Path | None = None,
    verbose: int | None = None,
) -> dict[str, Any]:
    """Trains a configuration once with every seed; runs that are finished are left as they are.

    Args:
        record_set: The data.
        configuration: Everything but the seed.
        runs: The run directory of every seed, to create or resume.
        group: The directory that they are a part of, as :func:`tf_metammf.trainer.training.train` takes it.
        verbose: As :func:`tf_metammf.trainer.training.train` takes it.

    Returns:
        ``seeds``: metrics of every run by split; ``mean`` and ``deviation`` (sample standard deviation, None
        for a single seed): by split and metric; ``references``: by split, as
        :class:`tf_metammf.trainer.runs.references.References` has them, the same for every seed.
    """
    seeds: list[dict[str, Any]] = []
    references: dict[str, Any] = {}
    for seed, run in runs.items():
        keras.backend.clear_session()
        seeded = replace(configuration, training=replace(configuration.training, seed=seed))
        logger.info("training with seed %s", seed)
        finished = train(record_set, run.folder, seeded, group=group, verbose=verbose)
        for remark in remarks_on(finished) if group is not None else []:
            logger.warning("%s: %s", finished.folder, remark)
        seeds.append({"seed": seed, "run": str(run.folder), "metrics": finished.read("metrics")})
        references = {split: each.to_json() for split, each in read_references(finished).items()}
    return {"seeds": seeds, **_summary([each["metrics"] for each in seeds]), "references": references}


def _summary(metrics: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    mean: dict[str, dict[str, float]] = {}
    deviation: dict[str, dict[str, float | None]] = {}
    for split, names in metrics[0].items() if metrics else ():
        mean[split], deviation[split] = {}, {}
        for name in names:
            values = [each[split][name] for each in metrics]
            mean[split][name] = statistics.fmean(values)
            deviation[split][name] = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": mean, "deviation": deviation}
