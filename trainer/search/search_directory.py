"""A search directory: everything a search leaves, readable without this project.

=====================  ==========================================================
``search.yaml``        tuner, objective, record set and search space
``trials/ID/``         one run directory for every trial
``failures/ID.txt``    why a trial failed
``oracle/``            the state of Keras Tuner, from which a search resumes
``trials.csv``, ``.json``  a row for every trial: state, objective, epochs, parameters
``trials.png``         the objective over trials and over every parameter
``tensorboard/``       the same for the HParams page of TensorBoard
``mlflow/``, ``wandb/``  with ``training.tracking``: local files of the tracker, all trials together
``best.yaml``          the best configuration, as ``train --config`` takes it
``final/ID-seed-N/``   run directories of the best configuration, one a seed
``results.json``       their metrics, with mean and standard deviation
=====================  ==========================================================
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import require_absent, staged_directory
from tf_metammf.trainer.runs.resumption import WATCHING
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.search.search_space import SearchSpace

_UNREADABLE = (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, AttributeError, InvalidInputError)


@dataclass(frozen=True)
class SearchDirectory:
    """Paths and contents of a search directory.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @property
    def description_file(self) -> Path:
        """What is searched, YAML."""
        return self.folder / "search.yaml"

    @property
    def best_file(self) -> Path:
        """The best configuration, YAML."""
        return self.folder / "best.yaml"

    @property
    def plot_file(self) -> Path:
        """The objective over trials and parameters."""
        return self.folder / "trials.png"

    @property
    def tensorboard_folder(self) -> Path:
        """Logs for the HParams page of TensorBoard."""
        return self.folder / "tensorboard"

    @property
    def results_file(self) -> Path:
        """Metrics of the best configuration over its seeds, JSON."""
        return self.folder / "results.json"

    def trial(self, trial_id: str) -> RunDirectory:
        """The run directory of a trial."""
        return RunDirectory(self.folder / "trials" / trial_id)

    def final(self, trial_id: str, seed: int) -> RunDirectory:
        """The run directory of the configuration of a trial, trained with a seed to be tested."""
        return RunDirectory(self.folder / "final" / f"{trial_id}-seed-{seed}")

    def failure(self, trial_id: str) -> str | None:
        """Why a trial failed, or None."""
        file = self._failure_file(trial_id)
        return file.read_text(encoding="utf-8").strip() if file.is_file() else None

    def write_failure(self, trial_id: str, reason: str) -> None:
        """Writes down why a trial failed."""
        file = self._failure_file(trial_id)
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{reason}\n", encoding="utf-8")

    def _failure_file(self, trial_id: str) -> Path:
        return self.folder / "failures" / f"{trial_id}.txt"


def open_search_directory(
    folder: str | Path, space: SearchSpace, record_set: RecordSet, *, tuner: str, objective: str
) -> SearchDirectory:
    """Creates a search directory, or opens one that was created for the same search.

    Several processes may do so at once: one of them creates it.

    Raises:
        InvalidInputError: The folder is something else, or belongs to another search; every difference is shown.
    """
    search, metadata = SearchDirectory(Path(folder)), record_set.metadata
    description = {
        "tuner": tuner,
        "objective": objective,
        "records": {
            "path": str(record_set.folder.resolve()),
            "name": metadata.name,
            "checksum": metadata.checksum,
        },
        "space": space.to_mapping(),
    }
    if not search.folder.exists():
        try:
            with staged_directory(search.folder) as staging:
                text = yaml.safe_dump(description, sort_keys=False)
                SearchDirectory(staging).description_file.write_text(text, encoding="utf-8")
        except InvalidInputError:
            if not search.description_file.is_file():
                raise
    if not search.description_file.is_file():
        require_absent(search.folder)
    before, now = read_description(search.description_file, _comparable), _comparable(description)
    differences = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if differences:
        shown = "; ".join(f"{name}: {before.get(name)} in the folder, {now.get(name)} now" for name in differences)
        raise InvalidInputError(
            f"{search.folder}: belongs to another search ({shown}). Choose another --output, or give the same "
            "settings; only --trials and --seeds may change."
        )
    return search


def read_description(file: Path, comparable: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """What a folder was started for, as ``comparable`` puts it.

    Raises:
        InvalidInputError: The file cannot be read, or is no such description.
    """
    try:
        return comparable(yaml.safe_load(file.read_text(encoding="utf-8")))
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(f"{file}: cannot be read ({reason}). Choose another --output.") from error


def _comparable(description: dict[str, Any]) -> dict[str, Any]:
    space = SearchSpace.from_mapping(description["space"], source="search.yaml").complete()
    return {
        "tuner": description["tuner"],
        "objective": description["objective"],
        "checksum of the record set": description["records"]["checksum"],
        **{name: value for name, value in space.fixed.items() if name not in WATCHING},
        **{name: parameter.to_mapping() for name, parameter in space.parameters.items()},
    }
