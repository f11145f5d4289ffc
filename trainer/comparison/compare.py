"""Comparison: models on one record set, each with the same budget of trials and the same seeds.

=========================  ==========================================================
``comparison.yaml``        record set, models, trials, seeds
``models/NAME/search/``    the search directory of a model, where there are trials
``models/NAME/seed-N/``    a run directory for every seed
``models/NAME/lists/``     what each of them recommends to the users of the test split
``results.json``, ...      tables and plots, see :mod:`tf_metammf.trainer.comparison.report`
=========================  ==========================================================
"""

import json
import logging
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras
import yaml

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import require_absent, staged_directory
from tf_metammf.trainer.assembly import make_full_ranking
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_lock import is_locked, locked
from tf_metammf.trainer.runs.warm_start import check_earlier_run
from tf_metammf.trainer.search.search_directory import read_description
from tf_metammf.trainer.search.search_space import SearchSpace
from tf_metammf.trainer.training import train

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
DESCRIPTION = "comparison.yaml"


@dataclass(frozen=True)
class ComparedModel:
    """A model of a comparison, and where its runs are.

    Attributes:
        name: What it is called in tables.
        space: Its settings, and what of them is searched.
        folder: ``models/NAME``.
    """

    name: str
    space: SearchSpace
    folder: Path

    def run(self, seed: int) -> RunDirectory:
        """The run directory of a seed."""
        return RunDirectory(self.folder / f"seed-{seed}")

    def lists(self, seed: int) -> Path:
        """Recommended items of the users of the test split, and numbers about the model."""
        return self.folder / "lists" / f"seed-{seed}.npz"


@dataclass(frozen=True)
class Comparison:
    """A comparison on disk.

    Attributes:
        folder: Where it is.
        models: The models.
        seeds: The seeds that each is trained with.
        trials: Trials of the search for each; 0 for none.
    """

    folder: Path
    models: tuple[ComparedModel, ...]
    seeds: tuple[int, ...]
    trials: int

    @property
    def is_complete(self) -> bool:
        """Whether every model was trained with every seed."""
        return all(model.lists(seed).is_file() for model in self.models for seed in self.seeds)


def compare(
    record_set: RecordSet,
    folder: str | Path,
    models: dict[str, SearchSpace],
    *,
    seeds: int = 5,
    trials: int = 0,
    tuner: str = "bayesian",
    verbose: int | None = None,
) -> Comparison:
    """Trains every model with every seed, after a search of as many trials for each.

    Settings are chosen on the validation split; every run is tested once. A comparison that was killed goes on with the
    same command, and several processes that were given the same command share the models.

    Args:
        record_set: The data.
        folder: The directory of the comparison, to create or to go on with.
        models: Settings of each model by its name, with ranges where there are trials.
        seeds: How often each is trained and tested.
        trials: Trials of the search for each model; 0 to take the settings as they are.
        tuner: As :func:`tf_metammf.trainer.search.tuning.tune` takes it.
        verbose: What trainings print, as :func:`tf_metammf.trainer.training.train` takes it.

    Returns:
        The comparison, complete.

    Raises:
        InvalidInputError: The models do not fit, or the folder is something else or another comparison.
    """
    for space in models.values():
        check_earlier_run(next(space.extremes()).training, record_set)
    comparison = _opened(record_set, Path(folder), models, seeds=seeds, trials=trials, tuner=tuner)
    while not comparison.is_complete:
        idle = True
        for model in comparison.models:
            if all(model.lists(seed).is_file() for seed in comparison.seeds) or is_locked(model.folder):
                continue
            idle = False
            model.folder.mkdir(parents=True, exist_ok=True)
            try:
                with locked(model.folder, option="--output"):
                    _train(record_set, model, comparison, tuner=tuner, verbose=verbose)
            except InvalidInputError:
                if not is_locked(model.folder):
                    raise
        if idle:
            time.sleep(POLL_SECONDS)  # other processes have what is left
    return comparison


def _train(
    record_set: RecordSet, model: ComparedModel, comparison: Comparison, *, tuner: str, verbose: int | None
) -> None:
    configuration = model.space.configuration({})
    if comparison.trials:
        from tf_metammf.trainer.search.tuning import tune

        logger.info("%s: searching settings, %s trials", model.name, comparison.trials)
        found = tune(record_set, model.folder / "search", model.space, tuner=tuner, trials=comparison.trials, seeds=0)
        if found is None:
            raise InvalidInputError(
                "a comparison shares models between processes, not the trials of one. Unset TF_CONFIG."
            )
        configuration = model.space.configuration(found.best.parameters)
    for seed in comparison.seeds:
        if model.lists(seed).is_file():
            continue
        logger.info("%s: training with seed %s", model.name, seed)
        keras.backend.clear_session()
        seeded = replace(configuration, training=replace(configuration.training, seed=seed))
        run = train(record_set, model.run(seed).folder, seeded, group=comparison.folder, verbose=verbose)
        _write_lists(run, record_set, model.lists(seed))


def _write_lists(run: RunDirectory, record_set: RecordSet, file: Path) -> None:
    trained, data = load_model(run, record_set.folder)
    ranking = make_full_ranking(data, "test", cutoffs=run.configuration.evaluation.k)
    lists = ranking.recommended_by(trained)
    parameters = sum(int(np.prod(weight.shape)) for weight in trained.trainable_weights)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}")
    with aside.open("wb") as content:
        np.savez_compressed(content, recommended=lists, parameters=parameters)
    aside.replace(file)


def _opened(
    record_set: RecordSet, folder: Path, models: dict[str, SearchSpace], *, seeds: int, trials: int, tuner: str
) -> Comparison:
    _check(record_set, models, seeds=seeds, trials=trials)
    first = min(space.configuration(_first(space)).training.seed for space in models.values())
    comparison = Comparison(
        folder,
        tuple(ComparedModel(name, space, folder / "models" / _file_name(name)) for name, space in models.items()),
        # Not the seed of the trials: the best of them was best with it by chance, too.
        tuple(range(first + 1, first + 1 + seeds)),
        trials,
    )
    description = {
        "checksum of the record set": record_set.metadata.checksum,
        "trials": trials,
        "tuner": tuner,
        "models": {name: space.to_mapping() for name, space in models.items()},
    }
    if not folder.exists():
        try:
            with staged_directory(folder) as staging:
                (staging / DESCRIPTION).write_text(yaml.safe_dump(description, sort_keys=False), encoding="utf-8")
        except InvalidInputError:
            if not (folder / DESCRIPTION).is_file():
                raise
    if not (folder / DESCRIPTION).is_file():
        require_absent(folder)
    before, now = read_description(folder / DESCRIPTION, _comparable), _comparable(description)
    differences = [name for name in now if before.get(name) != now[name]]
    if differences:
        raise InvalidInputError(
            f"{folder}: was started for another comparison ({', '.join(differences)} differ). Choose another --output, "
            "or give the same; only --seeds may change."
        )
    return comparison


def _comparable(description: dict[str, Any]) -> dict[str, Any]:
    """With the default of every setting that is not there, as of one that came later."""
    models = {
        name: SearchSpace.from_mapping(content, source=DESCRIPTION).complete().to_mapping()
        for name, content in description["models"].items()
    }
    comparable: dict[str, Any] = json.loads(json.dumps({**description, "models": models}))
    return comparable


def _check(record_set: RecordSet, models: dict[str, SearchSpace], *, seeds: int, trials: int) -> None:
    if len(models) < 2:
        raise InvalidInputError(f"found {len(models)} models, expected at least two to compare.")
    for name, number, least in (("seeds", seeds, 1), ("trials", trials, 0)):
        if number < least:
            raise InvalidInputError(f"{name} is {number}, expected at least {least}.")
    if "test" not in record_set.metadata.splits or not record_set.metadata.splits["test"].interactions:
        raise InvalidInputError(f"{record_set.folder}: has no test interactions. Convert with another split.")
    folders: dict[str, str] = {}
    for name in models:
        other = folders.setdefault(_file_name(name), name)
        if other != name:
            raise InvalidInputError(f'the models "{other}" and "{name}" would share a folder. Rename one of them.')
    evaluations = {name: asdict(space.configuration(_first(space)).evaluation) for name, space in models.items()}
    if len({json.dumps(evaluation, sort_keys=True) for evaluation in evaluations.values()}) > 1:
        shown = "; ".join(f"{name}: {evaluation}" for name, evaluation in evaluations.items())
        raise InvalidInputError(
            f"the models are not evaluated alike ({shown}). Give all the same evaluation.k and monitor."
        )
    for name, space in models.items():
        if not trials and space.parameters:
            raise InvalidInputError(
                f"{name}: has ranges ({', '.join(space.parameters)}), and --trials is 0. Give trials, or single values."
            )


def _first(space: SearchSpace) -> dict[str, Any]:
    return {name: parameter.ends[0] for name, parameter in space.parameters.items()}


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", name)


def fixed_space(configuration: Configuration) -> SearchSpace:
    """The search space of one configuration."""
    return SearchSpace.from_mapping(asdict(configuration))
