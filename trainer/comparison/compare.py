"""Comparison: models on one record set, each with the same budget of trials and the same seeds."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, MetaMMFError, TrainingDivergedError, one_line
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.comparison.comparison_directory import (
    ComparedModel,
    Comparison,
    open_comparison,
    planned_comparison,
)
from tf_metammf.trainer.comparison.model_names import check_names
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.rankings import make_full_ranking
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_lock import is_locked, locked
from tf_metammf.trainer.search.search_space import SearchSpace
from tf_metammf.trainer.search.space_rehearsal import rehearse_space
from tf_metammf.trainer.training import train

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0


def compare(
    record_set: RecordSet,
    folder: str | Path,
    models: Mapping[str, SearchSpace],
    *,
    seeds: int = 5,
    trials: int = 0,
    tuner: str = "bayesian",
    verbose: int | None = None,
) -> Comparison:
    """Trains every model with every seed, after a search of as many trials for each.

    Every model is built before the first is trained. Settings are chosen on the validation split; every run is tested
    once. A comparison that was killed resumes with the same command, with more or fewer models and seeds, too: what
    was trained with the same settings is not trained again. Several processes that were given the same command share
    the models. A model whose training diverges does not keep the others from theirs.

    Args:
        record_set: The data.
        folder: The directory of the comparison, to create or to resume.
        models: Settings of each model by its name, with ranges where there are trials. Models with the same settings
            are trained once.
        seeds: How often each is trained and tested: with the seeds after the smallest ``training.seed`` of the models.
        trials: Trials of the search for each model; 0 to take the settings as they are.
        tuner: As :func:`tf_metammf.trainer.search.tuning.tune` takes it.
        verbose: What trainings print, as :func:`tf_metammf.trainer.training.train` takes it.

    Returns:
        The comparison, complete.

    Raises:
        InvalidInputError: A model cannot be trained, the models cannot be compared, or the folder is something else,
            is of other data or trials, or has results of other settings under the name of a model.
        TrainingDivergedError: A training diverged; all others are done.
    """
    _check(record_set, models, seeds=seeds, trials=trials)
    refusals = _unreadable(models)
    readable = {name: space for name, space in models.items() if name not in refusals}
    _check_comparable(readable, trials=trials)
    first = min((_first_configuration(space).training.seed for space in readable.values()), default=0)
    asked: dict[str, Any] = {
        # Not the seed of the trials: the best of them was best with it by chance, too.
        "seeds": tuple(range(first + 1, first + 1 + seeds)),
        "trials": trials,
        "tuner": tuner,
    }
    planned = planned_comparison(record_set, Path(folder), readable, **asked).unfinished
    _require_trainable(refusals | _untrainable(record_set, planned), order=list(models))
    comparison = open_comparison(record_set, Path(folder), models, **asked)
    diverged: dict[Path, str] = {}
    while left := [model for model in comparison.unfinished if model.folder not in diverged]:
        idle = True
        for model in left:
            if model.folder in diverged or is_locked(model.folder):
                continue
            idle = False
            model.folder.mkdir(parents=True, exist_ok=True)
            try:
                with locked(model.folder, option="--output"):
                    _train(record_set, model, comparison, tuner=tuner, verbose=verbose)
            except InvalidInputError:
                if not is_locked(model.folder):
                    raise
            except TrainingDivergedError as error:
                diverged[model.folder] = f'"{model.name}": {error}'
        if idle:
            time.sleep(POLL_SECONDS)  # other processes have what is left
    if diverged:
        raise TrainingDivergedError(
            f"{'; '.join(diverged.values())} The other models are trained. Remove the diverged ones, or give them "
            "other settings and other names."
        )
    return comparison


def fixed_space(configuration: Configuration) -> SearchSpace:
    """The search space of one configuration."""
    return SearchSpace.from_mapping(asdict(configuration))


def _train(
    record_set: RecordSet, model: ComparedModel, comparison: Comparison, *, tuner: str, verbose: int | None
) -> None:
    configuration = model.space.configuration({})
    if model.space.parameters:  # a baseline may have nothing to search
        from tf_metammf.trainer.search.tuning import tune

        logger.info("%s: searching settings, %s trials", model.name, comparison.trials)
        found = tune(record_set, model.folder / "search", model.space, tuner=tuner, trials=comparison.trials, seeds=0)
        assert found is not None, "this process is not a search worker"
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


def _check(record_set: RecordSet, models: Mapping[str, SearchSpace], *, seeds: int, trials: int) -> None:
    if len(models) < 2:
        raise InvalidInputError(f"found {len(models)} models, expected at least two to compare.")
    for name, number, least in (("seeds", seeds, 1), ("trials", trials, 0)):
        if number < least:
            raise InvalidInputError(f"{name} is {number}, expected at least {least}.")
    if "test" not in record_set.metadata.splits or not record_set.metadata.splits["test"].interactions:
        raise InvalidInputError(f"{record_set.folder}: has no test interactions. Convert with another split.")
    check_names(models)
    if trials:
        from tf_metammf.trainer.search.tuning import VARIABLES, process_role

        if process_role() != "alone":
            raise InvalidInputError(
                f"{', '.join(VARIABLES)} are set, but the processes of a comparison share models, not the trials of "
                "one model. Unset them, and start the same command several times."
            )


def _check_comparable(models: Mapping[str, SearchSpace], *, trials: int) -> None:
    evaluations = {name: asdict(_first_configuration(space).evaluation) for name, space in models.items()}
    if len({json.dumps(evaluation, sort_keys=True) for evaluation in evaluations.values()}) > 1:
        shown = "; ".join(f"{name}: {evaluation}" for name, evaluation in evaluations.items())
        raise InvalidInputError(
            f"the models are evaluated differently ({shown}). Give all the same evaluation.k and evaluation.monitor."
        )
    for name, space in models.items():
        strategy = _first_configuration(space).training.strategy
        if strategy in ("multi_worker", "parameter_server"):
            raise InvalidInputError(
                f"{name}: training.strategy is {strategy}, but the processes of a comparison share models, not one "
                "training. Use none or mirrored."
            )
        if not trials and space.parameters:
            raise InvalidInputError(
                f"{name}: has ranges ({', '.join(space.parameters)}), and --trials is 0. Give trials, or single values."
            )
        if trials and not space.parameters and not _first_configuration(space).model.is_baseline:
            raise InvalidInputError(f"{name}: has no range and no choice to search. Give one, or --trials 0.")


def _unreadable(models: Mapping[str, SearchSpace]) -> dict[str, str]:
    """What is wrong, by name, with models whose settings are not those of a model."""
    refusals: dict[str, str] = {}
    for name, space in models.items():
        try:
            _first_configuration(space)
        except MetaMMFError as error:
            refusals[name] = one_line(error)
    return refusals


def _untrainable(record_set: RecordSet, models: list[ComparedModel]) -> dict[str, str]:
    """What is wrong, by name, with models that would be refused before their first step."""
    refusals: dict[str, str] = {}
    for model in models:
        try:
            rehearse_space(record_set, model.space)
        except MetaMMFError as error:
            refusals[model.name] = one_line(error)
    return refusals


def _require_trainable(refusals: Mapping[str, str], *, order: Sequence[str]) -> None:
    """Refuses models that cannot be trained, all at once."""
    if refusals:
        shown = " ".join(f'"{name}": {refusals[name].removesuffix(".")}.' for name in order if name in refusals)
        raise InvalidInputError(f"{len(refusals)} of the models cannot be trained, so none was trained. {shown}")


def _first_configuration(space: SearchSpace) -> Configuration:
    return space.configuration({name: parameter.ends[0] for name, parameter in space.parameters.items()})
