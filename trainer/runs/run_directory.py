"""A run directory: everything a training run leaves, readable without this project.

======================  ==========================================================
``configuration.yaml``  the whole configuration, as ``train --config`` takes it
``records.json``        the record set: path, name, checksum, counts, modalities
``environment.json``    versions of Python and of the packages, platform, processor
``state.json``          running, finished, stopped, failed or diverged; best epoch, seconds, memory
``history.csv``         one line an epoch: losses, validation metrics
``model.weights.h5``          the best weights on validation, Keras HDF5
``metrics.json``        metrics by split of those weights
``calibration.json``    with ``model.calibration``: the terms that were chosen on validation, and what they change
``references.json``     the same metrics of popularity and of a random ranking, and what is behind the numbers
``training_curve.png``  losses and the monitored metric over the epochs; of models that are trained
``tensorboard/``        the same for TensorBoard
``warm_start.json``     with ``training.init_from``: what was taken over from the run before, and what leaks
``earlier_interactions.parquet``  the same: what earlier runs were trained on that this one is not, raw ids
``known_items.npy``     with ``training.freeze``: items whose ID embedding the frozen run had trained
``teachers.json``       with teachers: which runs, and the checksums of their tables in ``teachers/``
``reference.json``      with preferences: the run that training is held to, and the checksums of its tables in
                        ``reference/``
``preferences.json``    the same: what the best weights and the reference make of the held-out preferences
``tracking.json``       with ``training.tracking``: the run of the tracker; ``mlflow/``, ``wandb/``: its local files
``checkpoints/``        what an interrupted training resumes from
======================  ==========================================================
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.provenance import described
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.record_set import RecordSet, open_record_set
from tf_metammf.records.staging import replace_text, staged_directory
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration


@dataclass(frozen=True)
class RunDirectory:
    """Paths and contents of a run directory.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @property
    def configuration_file(self) -> Path:
        """The configuration, YAML."""
        return self.folder / "configuration.yaml"

    @property
    def history_file(self) -> Path:
        """One line an epoch, CSV."""
        return self.folder / "history.csv"

    @property
    def weights_file(self) -> Path:
        """The best weights, HDF5."""
        return self.folder / "model.weights.h5"

    @property
    def earlier_interactions_file(self) -> Path:
        """What the runs before it were trained on, and it is not, Parquet; absent where there is nothing."""
        return self.folder / "earlier_interactions.parquet"

    @property
    def known_items_file(self) -> Path:
        """Items with a trained ID embedding, bool; absent where they are those with training interactions."""
        return self.folder / "known_items.npy"

    @property
    def teachers_folder(self) -> Path:
        """Tables of the runs that this one learns from, NumPy; absent where there is none."""
        return self.folder / "teachers"

    @property
    def checkpoints_folder(self) -> Path:
        """What an interrupted training resumes from."""
        return self.folder / "checkpoints"

    @property
    def is_finished(self) -> bool:
        """Whether training got to its end, metrics included."""
        return self.metrics_file.is_file() and self.read("state").get("state") == "finished"

    @property
    def seconds(self) -> float:
        """How long the run was trained for so far."""
        return float(self.read("state").get("seconds", 0)) if (self.folder / "state.json").is_file() else 0.0

    @property
    def metrics_file(self) -> Path:
        """Metrics by split, JSON."""
        return self.folder / "metrics.json"

    @property
    def training_curve_file(self) -> Path:
        """Plot of losses and of the monitored metric."""
        return self.folder / "training_curve.png"

    @property
    def tensorboard_folder(self) -> Path:
        """Logs for TensorBoard."""
        return self.folder / "tensorboard"

    @property
    def configuration(self) -> Configuration:
        """The configuration of the run."""
        return load_configuration(self.configuration_file)

    def read(self, name: str) -> dict[str, Any]:
        """Contents of one of the JSON files, e.g. ``read("state")``."""
        path = self.folder / f"{name}.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"{path}: cannot be read ({error}). Train the model again.") from error
        if not isinstance(content, dict):
            raise InvalidInputError(f"{path}: is not a JSON object. Train the model again.")
        return content

    def has(self, name: str) -> bool:
        """Whether one of the JSON files is there."""
        return (self.folder / f"{name}.json").is_file()

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Writes one of the JSON files."""
        replace_text(self.folder / f"{name}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_configuration(self, configuration: Configuration) -> None:
        """Writes the configuration."""
        replace_text(self.configuration_file, configuration.to_yaml())

    @property
    def trained_on_checksum(self) -> str:
        """The checksum of the record set of the run without its preferences; empty where the run does not say."""
        found = self.read("records")
        return str(found.get("checksum_without_preferences", found.get("checksum", "")))

    def open_records(self, folder: str | Path | None = None, *, option: str = "--records") -> RecordSet:
        """Opens the record set of the run, or another place of the same data, whatever preferences it has.

        Args:
            folder: Where the record set is now; None for where it was in training.
            option: What says where the record set is, for messages.

        Raises:
            InvalidInputError: The record set holds other data than the run was trained on.
            InvalidRecordSetError: It is no record set or is damaged.
        """
        trained_on = self.read("records")
        if not {"path", "name", "checksum"} <= set(trained_on):
            raise InvalidInputError(f"{self.folder / 'records.json'}: lacks path, name or checksum. Train again.")
        if folder is None and not Path(trained_on["path"]).is_dir():
            raise InvalidInputError(
                f"{trained_on['path']}: the record set of {self.folder} no longer exists. Give its place with {option}."
            )
        record_set = open_record_set(folder or trained_on["path"])
        checksum = record_set.metadata.checksum_without_preferences
        if checksum != self.trained_on_checksum:
            raise InvalidInputError(
                f"{record_set.folder}: has the checksum {checksum[:12]}, but {self.folder} was trained on "
                f'{self.trained_on_checksum[:12]} ("{trained_on["name"]}"). Give that one with {option}.'
            )
        return record_set


def create_run_directory(folder: str | Path, configuration: Configuration, record_set: RecordSet) -> RunDirectory:
    """Creates a run directory with its configuration and the description of its record set.

    Raises:
        InvalidInputError: The folder exists or cannot be written.
    """
    run = RunDirectory(Path(folder))
    trained_on = str(record_set.folder.resolve())
    trained_on.encode("utf-8")  # an error here names the path; one of writing names all that is written
    with staged_directory(run.folder, option="--run") as staging:
        aside = RunDirectory(staging)
        aside.write_configuration(configuration)
        aside.write("records", {"path": trained_on, **describe_records(record_set.metadata)})
    return run


def describe_records(metadata: Metadata) -> dict[str, Any]:
    """What a run directory says of a record set, but its path."""
    return {
        "name": metadata.name,
        "checksum": metadata.checksum,
        **(
            {}
            if metadata.preferences is None
            else {"checksum_without_preferences": metadata.checksum_without_preferences}
        ),
        "users": metadata.users,
        "items": metadata.items,
        "interactions": {name: split.interactions for name, split in metadata.splits.items()},
        "modalities": {name: modality.width for name, modality in metadata.modalities.items()},
        **({"extraction": described(extraction)} if (extraction := metadata.source.get("extraction")) else {}),
    }


def open_run_directory(folder: str | Path) -> RunDirectory:
    """Opens a run directory that has weights.

    Raises:
        InvalidInputError: There is no such run, or it has no weights.
    """
    run = RunDirectory(Path(folder))
    if not run.configuration_file.is_file():
        raise InvalidInputError(
            f'{folder}: has no configuration.yaml, so it is not a run directory. Make one with "tf-metammf train".'
        )
    if not run.weights_file.is_file():
        raise InvalidInputError(f"{folder}: has no model.weights.h5; its training did not finish an epoch.")
    return run
