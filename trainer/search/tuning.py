"""Tuning: a search directory from a record set and a search space, begun or gone on with."""

import json
import os
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import replace_text
from tf_metammf.trainer.planning.bounds import check_bounds
from tf_metammf.trainer.runs.resumption import WATCHING
from tf_metammf.trainer.runs.run_lock import locked
from tf_metammf.trainer.search.oracles import make_oracle
from tf_metammf.trainer.search.search_directory import SearchDirectory, open_search_directory
from tf_metammf.trainer.search.search_space import SearchSpace
from tf_metammf.trainer.search.space_rehearsal import rehearse_space
from tf_metammf.trainer.search.trial_records import TrialRecord, best_trial, read_trials
from tf_metammf.trainer.search.trial_tuner import make_tuner
from tf_metammf.trainer.search.tuning_report import write_report
from tf_metammf.trainer.seeds import train_with_seeds
from tf_metammf.trainer.warm_start import check_earlier_run
from tf_metammf.trainer.watching.tracking import tracker_package

VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
"""Environment variables by which Keras Tuner's chief and workers find each other."""


@dataclass(frozen=True)
class TuningResults:
    """What came of a search.

    Attributes:
        search: Its directory.
        trials: All trials.
        best: The best of them.
        final: Metrics of the best configuration over its seeds, as
            :func:`tf_metammf.trainer.seeds.train_with_seeds` gives them.
    """

    search: SearchDirectory
    trials: list[TrialRecord]
    best: TrialRecord
    final: dict[str, Any]


def tune(
    record_set: RecordSet,
    folder: str | Path,
    space: SearchSpace,
    *,
    tuner: str = "bayesian",
    trials: int | None = None,
    seeds: int = 3,
    verbose: int | None = None,
) -> TuningResults | None:
    """Searches for the configuration with the best ``evaluation.monitor`` on validation, and trains it again.

    Trials are ranked on the validation split alone. The best configuration is then trained with several seeds, of
    which each is tested once. A search that was killed resumes: finished trials are not repeated, and the one under
    way resumes from its checkpoint. The same ``training.seed`` gives the same trials.

    With Keras Tuner's environment variables (:data:`VARIABLES`) this process is the chief, who chooses and reports,
    or a worker, who trains; all of them need the same arguments and the same file system.

    Args:
        record_set: The data.
        folder: The search directory to create or resume.
        space: What is searched.
        tuner: bayesian, random or hyperband. The last begins trials with few epochs, and continues the better
            ones, up to ``training.epochs``.
        trials: Maximum number; by default 30, or for hyperband what one round of its brackets takes.
        seeds: How often the best configuration is trained and tested, with the seeds after ``training.seed``, which
            the trials have; 0 for not at all.
        verbose: What the final trainings print, as :func:`tf_metammf.trainer.training.train` takes it.

    Returns:
        What came of it; None in a worker.

    Raises:
        InvalidInputError: The search space does not fit, or none of its configurations can be trained; the folder is
            something else, Keras Tuner is missing, or no trial came to an end.
    """
    _check(space, tuner=tuner, trials=trials, seeds=seeds)
    role = process_role()
    configuration = next(space.extremes())
    settings, objective = configuration.training, configuration.evaluation.monitor
    if role != "worker" and not Path(folder).exists():
        rehearse_space(record_set, space)
    check_earlier_run(configuration, record_set)
    oracle = make_oracle(tuner, space, objective=objective, trials=trials, epochs=settings.epochs, seed=settings.seed)
    search = open_search_directory(folder, space, record_set, tuner=tuner, objective=objective)
    if role == "worker":
        _search(_quiet_tuner(oracle, search, space, record_set))
        return None
    with locked(search.folder, option="--output"):
        _search(_quiet_tuner(oracle, search, space, record_set))
        records = read_trials(oracle.trials.values(), search, space)
        best = best_trial(records)
        write_report(search, records, space, objective=objective)
        chosen = space.configuration(best.parameters)
        heading = f"# Best of {len(records)} trials, {best.trial_id}: validation {objective} {best.value:.6g}\n"
        replace_text(search.best_file, heading + chosen.to_yaml())
        # Not the seed of the trials: the best of them was best with it by chance, too.
        fresh = range(settings.seed + 1, settings.seed + 1 + seeds)
        runs = {seed: search.final(best.trial_id, seed) for seed in fresh}
        final = train_with_seeds(record_set, chosen, runs, group=search.folder, verbose=verbose)
        results = {"objective": objective, "trial": best.trial_id, "validation": best.value, **final}
        replace_text(search.results_file, json.dumps(results, indent=2) + "\n")
    return TuningResults(search, records, best, final)


def _quiet_tuner(*arguments: Any) -> Any:
    """The tuner, without the line that Keras Tuner prints where it goes on."""
    with redirect_stdout(StringIO()):
        return make_tuner(*arguments)


def _search(tuner: Any) -> None:
    """Runs trials, or in the chief waits until the workers have, to the end."""
    from grpc import RpcError

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # the objective of a trial that failed
        warnings.filterwarnings("ignore", module="sklearn")  # a length scale at its bound, where little depends on it
        try:
            tuner.search(verbose=0)
        except RpcError as error:
            raise InvalidInputError(
                f"the chief at {_address()} does not answer. Start it again with the same command; then this worker."
            ) from error
        except RuntimeError as error:
            if "bind" not in str(error).lower():
                raise
            raise InvalidInputError(f"the chief cannot listen at {_address()}. Choose another port.") from error


def _address() -> str:
    return ":".join(os.environ[name] for name in VARIABLES[1:])


def process_role() -> str:
    """What this process is in a search, by :data:`VARIABLES`: alone, chief or worker.

    Raises:
        InvalidInputError: Only some of the variables are set.
    """
    given = [name for name in VARIABLES if os.environ.get(name)]
    if VARIABLES[1] not in given:
        return "alone"
    if len(given) < len(VARIABLES):
        missing = ", ".join(name for name in VARIABLES if name not in given)
        raise InvalidInputError(f"{VARIABLES[1]} is set, but not {missing}. Set all of them, or none.")
    return "chief" if "chief" in os.environ[VARIABLES[0]] else "worker"


def _check(space: SearchSpace, *, tuner: str, trials: int | None, seeds: int) -> None:
    """Refuses a search that nothing could come of."""
    if not space.parameters:
        raise InvalidInputError("there is no range and no choice to search. Give one field a range.")
    if tuner == "hyperband" and "training.epochs" in space.parameters:
        raise InvalidInputError("training.epochs is varied by hyperband itself. Give one value, the maximum.")
    for name, number, least in (("trials", trials, 1), ("seeds", seeds, 0)):
        if number is not None and number < least:
            raise InvalidInputError(f"{name} is {number}, expected at least {least}.")
    for name in space.parameters:
        if name in WATCHING:
            raise InvalidInputError(f"{name} has choices, but does not change the training. Give it one value.")
    for configuration in space.extremes():
        check_bounds(configuration)
        if configuration.training.tracking is not None:
            tracker_package(configuration.training.tracking)
        MetricName.parse(configuration.evaluation.monitor)
