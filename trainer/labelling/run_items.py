"""A run as those who judge its recommendations see it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.run_directory import open_run_directory
from tf_metammf.trainer.training_data import TrainingData


def embedded_run(folder: str | Path, records: str | Path | None = None) -> tuple[Any, TrainingData]:
    """The model of a run, and its record set.

    Args:
        folder: The run directory.
        records: Where the record set is now; None for where it was in training.

    Raises:
        InvalidInputError: There is no such run, or it is one of a model without embeddings.
    """
    run = open_run_directory(folder)
    if run.configuration.model.is_baseline:
        raise InvalidInputError(
            f"{folder}: is a run of {run.configuration.model.encoder.name}, which has no embeddings. Give a run of a "
            "model that is trained."
        )
    return load_model(run, records)


def training_items(data: TrainingData) -> list[NDArray[np.int64]]:
    """Of every user the dense ids of training items, earliest first where there are times."""
    train, users = data.train, data.record_set.metadata.users
    keys = (train.user,) if train.timestamp is None else (train.timestamp, train.user)
    order = np.lexsort(keys)
    ends = np.cumsum(np.bincount(train.user, minlength=users))
    return np.split(train.item[order], ends[:-1])
