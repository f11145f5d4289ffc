"""Whether a run directory may be trained on: by the same configuration and data, or by what else makes sense."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.run_directory import RunDirectory

RESUME = ("auto", "never", "force")

CHANGEABLE = (
    "evaluation.k",
    "model.encoder.budget_gb",
    "model.encoder.dropout",
    "model.encoder.edge_dropout",
    "model.encoder.exclude_targets",
    "model.id_dropout",
    "model.l2",
    "model.modality_dropout",
    "model.user_id_dropout",
    "objective.temperature",
    "training.checkpoint_seconds",
    "training.checkpoints",
    "training.epochs",
    "training.jit_compile",
    "training.learning_rate",
    "training.mixed_precision",
    "training.patience",
    "training.rollbacks",
    "training.spike_factor",
)
"""Fields that ``force`` may change: the checkpoint still fits, and the place in the data is the same."""

WATCHING = (
    "training.allow_leakage",
    "training.init_from_records",
    "training.profile_steps",
    "training.tensorboard",
    "training.tracking",
)
"""Fields that may always change: nothing of the training depends on how it is watched, or where files lie."""


def check_resumable(run: RunDirectory, configuration: Configuration, record_set: RecordSet, *, force: bool) -> None:
    """Refuses to resume a run with something else than it was started with.

    Args:
        run: The run directory.
        configuration: What is asked for now.
        record_set: The record set that is given now.
        force: Whether the fields of :data:`CHANGEABLE` may differ.

    Raises:
        InvalidInputError: Something differs; every difference is shown.
    """
    run.open_records(record_set.folder)
    if configuration.objective.takes_preferences:
        found, expected = record_set.metadata.checksum, run.read("records")["checksum"]
        if found != expected:
            raise InvalidInputError(
                f"{record_set.folder}: has other preferences (checksum {found[:12]}) than {run.folder} was started "
                f"with ({expected[:12]}). Choose another --run, or give the same record set."
            )
    before, now = flat_values(asdict(run.configuration)), flat_values(asdict(configuration))
    differences = [name for name in {**before, **now} if before.get(name) != now.get(name) and name not in WATCHING]
    if not differences:
        return
    shown = "; ".join(f"{name}: {before.get(name)} in the run, {now.get(name)} now" for name in differences)
    fixed = [name for name in differences if name not in CHANGEABLE]
    if fixed:
        raise InvalidInputError(
            f"{run.folder}: was started with another {', '.join(fixed)} ({shown}), which do not fit its checkpoints. "
            "Choose another --run, or give the same settings."
        )
    if not force:
        raise InvalidInputError(
            f"{run.folder}: was started with another configuration ({shown}). Choose another --run, give the same "
            "settings, or accept these with --resume force."
        )


def flat_values(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested sections by field, such as ``"model.fusion.rank"``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flat_values(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
