"""The oracles of Keras Tuner, which choose what is tried next."""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.staging import replaced_file
from tf_metammf.trainer.search.search_parameters import Range
from tf_metammf.trainer.search.search_space import SearchSpace

if TYPE_CHECKING:
    from keras_tuner import Oracle
else:
    Oracle = object  # Keras Tuner is an extra, and is imported where it is used

TUNERS = ("bayesian", "hyperband", "random")

DEFAULT_TRIALS = 30
"""Trials of a Bayesian or random search; Hyperband goes once through its brackets."""

RANDOM_SHARE = 3
"""One in so many trials of a Bayesian search is drawn at random, before there is something to learn from."""


def import_keras_tuner() -> Any:
    """Imports Keras Tuner.

    Raises:
        InvalidInputError: It is not installed.
    """
    try:
        for needed in ("scipy", "sklearn"):
            import_module(needed)
        return import_module("keras_tuner")
    except ImportError as error:
        raise InvalidInputError(
            f"tuning needs Keras Tuner, but {error.name} is not installed. Install the extra tune: "
            'pip install "tf-metammf[tune]".'
        ) from error


def make_oracle(
    tuner: str, space: SearchSpace, *, objective: str, trials: int | None, epochs: int, seed: int
) -> "Oracle":
    """An oracle whose state survives a kill.

    Args:
        tuner: bayesian, hyperband or random.
        space: What is searched.
        objective: Name of the metric, of which more is better.
        trials: Maximum number; None for :data:`DEFAULT_TRIALS`, or for one round of Hyperband's brackets.
        epochs: Epochs of a whole training: Hyperband begins with fewer and continues the better trials.
        seed: The same seed gives the same trials.

    Raises:
        InvalidInputError: The tuner is unknown, or Keras Tuner is not installed.
    """
    if tuner not in TUNERS:
        raise unknown_name("tuner", tuner, TUNERS)
    keras_tuner = import_keras_tuner()
    arguments = {
        "objective": keras_tuner.Objective(objective, direction="max"),
        "hyperparameters": _hyperparameters(keras_tuner, space),
        "seed": seed + 1,  # Keras Tuner takes 0 for none
        "max_consecutive_failed_trials": 2**31,
    }
    oracles = keras_tuner.oracles
    if tuner == "hyperband":
        oracle = _resumable(oracles.HyperbandOracle)(
            max_epochs=epochs, hyperband_iterations=1 if trials is None else None, **arguments
        )
        oracle.max_trials = trials
        return oracle
    number = trials or DEFAULT_TRIALS
    if tuner == "random":
        return _resumable(oracles.RandomSearchOracle)(max_trials=number, **arguments)
    initial = min(max(number // RANDOM_SHARE, 3), 3 * len(space.parameters))
    return type("BayesianOracle", (Repeatable, Resumable, oracles.BayesianOptimizationOracle), {})(
        max_trials=number, num_initial_points=initial, **arguments
    )


class Resumable(Oracle):
    """Keeps the files of an oracle whole, and its trials in step with its state, whenever it is killed."""

    trials: dict[str, Any]

    def save(self) -> None:
        """Writes the state, aside first."""
        with replaced_file(Path(self._get_oracle_fname())) as aside:
            aside.write_text(json.dumps(self.get_state()), encoding="utf-8")

    def reload(self) -> None:
        """Reads the state; a trial that was not yet part of it is chosen again, which gives the same values."""
        # Keras Tuner looks for the trials by a pattern that has the directory in it.
        for file in Path(self._project_dir).glob("trial_*/trial.json"):
            trial = import_keras_tuner().engine.trial.Trial.load(str(file))
            self.trials[trial.trial_id] = trial
        super().reload()
        known = set(self.start_order)
        self.trials = {name: trial for name, trial in self.trials.items() if name in known}

    def _save_trial(self, trial: Any) -> None:
        with replaced_file(Path(self._get_trial_dir(trial.trial_id)) / "trial.json") as aside:
            trial.save(str(aside))


class Repeatable(Oracle):
    """Draws the starting points of the acquisition function from the number of the trial, also after a resumption."""

    def populate_space(self, trial_id: str) -> Any:
        """The values of a trial."""
        self._random_state = np.random.RandomState([self.seed, int(trial_id)])
        return super().populate_space(trial_id)


def _resumable(oracle: Any) -> Any:
    return type(oracle.__name__, (Resumable, oracle), {})


def _hyperparameters(keras_tuner: Any, space: SearchSpace) -> Any:
    hyperparameters = keras_tuner.HyperParameters()
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Range):
            declare = hyperparameters.Int if parameter.integer else hyperparameters.Float
            declare(name, parameter.low, parameter.high, sampling="log" if parameter.log else "linear")
        else:
            hyperparameters.Choice(name, parameter.labels)
    return hyperparameters
