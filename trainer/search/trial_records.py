"""The trials of a search, as rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.search.search_directory import SearchDirectory
from tf_metammf.trainer.search.search_space import SearchSpace


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        trial_id: Its number, with leading zeros.
        state: ``finished``, ``diverged``, ``failed``, or ``running``.
        value: The best value of the objective on validation, or None.
        best_epoch: Where it was reached, counted from 1, or None.
        epochs: Finished epochs, or None.
        seconds: How long it was trained for, what it continues included, or None.
        parameters: The values of what is searched, by field.
        continues: The trial whose training it continues, or None.
        message: Why it failed, or None.
    """

    trial_id: str
    state: str
    value: float | None
    best_epoch: int | None
    epochs: int | None
    seconds: float | None
    parameters: dict[str, Any]
    continues: str | None = None
    message: str | None = None


def read_trials(trials: Iterable[Any], search: SearchDirectory, space: SearchSpace) -> list[TrialRecord]:
    """The records of Keras Tuner's trials, in the order of their numbers.

    Args:
        trials: Trials of an oracle.
        search: Where their run directories are.
        space: The search space.
    """
    return [_record(trial, search, space) for trial in sorted(trials, key=lambda trial: int(trial.trial_id))]


def best_trial(records: Sequence[TrialRecord]) -> TrialRecord:
    """The finished trial with the best objective, the first of them where there are several.

    Raises:
        InvalidInputError: No trial finished.
    """
    finished = [(record.value, record) for record in records if record.state == "finished" and record.value is not None]
    if not finished:
        first = next((record.message for record in records if record.message), "no trial was started")
        raise InvalidInputError(f"none of {len(records)} trials finished with a result. The first: {first}")
    return max(finished, key=lambda pair: pair[0])[1]


def _record(trial: Any, search: SearchDirectory, space: SearchSpace) -> TrialRecord:
    values = trial.hyperparameters.values
    message = search.failure(trial.trial_id) if trial.status == "FAILED" else None
    try:
        written = search.trial(trial.trial_id).read("state")
        objective = search.trial(trial.trial_id).configuration.evaluation.monitor
    except InvalidInputError:
        written, objective = {}, ""
    state = {"COMPLETED": "finished", "FAILED": "failed", "INVALID": "failed"}.get(trial.status, "running")
    return TrialRecord(
        trial_id=trial.trial_id,
        state="diverged" if state == "failed" and written.get("state") == "diverged" else state,
        value=written.get(f"validation {objective}"),
        best_epoch=written.get("best_epoch"),
        epochs=written.get("epoch"),
        seconds=written.get("seconds"),
        parameters={name: parameter.value(values[name]) for name, parameter in space.parameters.items()},
        continues=values.get("tuner/trial_id"),
        message=message or (trial.message or "").strip().rpartition("\n")[2] or None,
    )
