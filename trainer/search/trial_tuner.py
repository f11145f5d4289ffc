"""The tuner of Keras Tuner that trains a run directory for every trial."""

import logging
import math
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import MetaMMFError, one_line
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import staged_directory
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.run_lock import is_locked
from tf_metammf.trainer.search.search_directory import SearchDirectory
from tf_metammf.trainer.search.search_space import SearchSpace
from tf_metammf.trainer.training import train
from tf_metammf.trainer.watching.tracking import FILE

if TYPE_CHECKING:
    from keras_tuner import Oracle
    from keras_tuner.engine.base_tuner import BaseTuner
else:
    BaseTuner = object  # Keras Tuner is an extra, and is imported where it is used

STATE = Path("oracle/oracle.json")
"""Where the oracle has its state, in the search directory."""

POLL_SECONDS = 1.0

logger = logging.getLogger(__name__)


def make_tuner(oracle: "Oracle", search: SearchDirectory, space: SearchSpace, record_set: RecordSet) -> "TrialTuner":
    """A tuner that asks an oracle, or the chief's, what to try, and resumes from the search directory.

    Args:
        oracle: What chooses.
        search: Where trials and the state of the oracle are.
        space: The search space.
        record_set: The data.
    """
    from keras_tuner.engine.base_tuner import BaseTuner as KerasTuner

    begun = (search.folder / STATE).is_file()
    class_ = type("TrialTuner", (TrialTuner, KerasTuner), {})
    tuner: TrialTuner = class_(oracle=oracle, directory=str(search.folder), project_name=STATE.parent.name)
    if begun and tuner.oracle is oracle:
        oracle.reload()  # Keras Tuner does so only under the id that the search was begun with
    tuner.search_directory, tuner.space, tuner.record_set = search, space, record_set
    tuner.save()  # Keras Tuner would begin anew where it was killed in its first trial
    return tuner


class TrialTuner(BaseTuner):
    """Trains the trials, as run directories that are judged on the validation split alone.

    A trial that Hyperband promotes begins with a copy of the run directory of the trial that it continues. One that
    was under way when the search was killed resumes from its checkpoint.

    Attributes:
        search_directory: Where the run directories are.
        space: The search space.
        record_set: The data.
    """

    search_directory: SearchDirectory
    space: SearchSpace
    record_set: RecordSet
    _idle = False

    def pre_create_trial(self) -> None:
        """Waits a little where the oracle had nothing to do the last time."""
        if self._idle:
            time.sleep(POLL_SECONDS)
        self._idle = True

    def on_trial_begin(self, trial: Any) -> None:
        """Remembers that there was something to do."""
        self._idle = False

    def run_trial(self, trial: Any, **_: Any) -> dict[str, float]:
        """Trains a trial.

        Returns:
            The best value of the objective, or NaN, which Keras Tuner takes for a failure.
        """
        keras.backend.clear_session()
        values = trial.hyperparameters.values
        configuration = self.space.configuration(
            {name: parameter.value(values[name]) for name, parameter in self.space.parameters.items()}
        )
        configuration.training.epochs = values.get("tuner/epochs", configuration.training.epochs)
        value, reason = self._train(trial.trial_id, configuration, continues=values.get("tuner/trial_id"))
        objective = configuration.evaluation.monitor
        if reason:
            self.search_directory.write_failure(trial.trial_id, reason)
            logger.warning("trial %s failed: %s", trial.trial_id, reason)
        else:
            state = self.search_directory.trial(trial.trial_id).read("state")
            logger.info(
                "trial %s: %s %.4f at epoch %s of %s, %.0f s",
                trial.trial_id,
                objective,
                value,
                state["best_epoch"],
                state["epoch"],
                state["seconds"],
            )
        return {objective: value}

    def _train(self, trial_id: str, configuration: Configuration, *, continues: str | None) -> tuple[float, str]:
        """The best value and no reason, or NaN and why."""
        run = self.search_directory.trial(trial_id)
        while is_locked(run.folder):
            time.sleep(POLL_SECONDS)  # the worker that had the trial before the chief was started again
        try:
            if continues is not None and not run.folder.exists():
                with staged_directory(run.folder) as staging:
                    before = self.search_directory.trial(continues).folder
                    # A tracker gets a run for every trial.
                    shutil.copytree(before, staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns(f"{FILE}.json"))
            train(
                self.record_set,
                run.folder,
                configuration,
                resume="auto" if continues is None else "force",
                splits=["validation"],
                group=self.search_directory.folder,
                verbose=0,
            )
        except (MetaMMFError, tf.errors.OpError) as error:
            return math.nan, one_line(error)
        value = run.read("state").get(f"validation {configuration.evaluation.monitor}")
        if value is None or not math.isfinite(value):
            return math.nan, f"no epoch ended with a validation {configuration.evaluation.monitor}."
        return float(value), ""
