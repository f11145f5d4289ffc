"""Bounds of the numbers of a configuration."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.watching.tensorboard_logs import CONTENTS


def check_bounds(configuration: Configuration) -> None:
    """Refuses values that nothing could be done with.

    Raises:
        InvalidInputError: A number is out of its bounds; the message names the field.
    """
    for name, number in _floats(configuration):
        if not math.isfinite(number):
            raise InvalidInputError(f"{name} is {number}, expected a finite number.")
    least = {
        "training.epochs": 1,
        "training.batch_size": 1,
        "training.patience": 0,
        "training.learning_rate": 0,
        "training.feature_budget_gb": 0,
        "training.seed": 0,
        "training.checkpoint_seconds": 0,
        "training.checkpoints": 1,
        "training.rollbacks": 0,
        "training.profile_steps": 0,
        "training.spike_factor": 1,
        "model.id_units": 0,
        "model.l2": 0,
        "objective.item_to_user_weight": 0,
        "objective.popularity_power": 0,
        "objective.negatives": 0 if configuration.objective.name != "bpr" else 1,
    }
    for name, bound in least.items():
        section, _, field = name.partition(".")
        value = getattr(getattr(configuration, section), field)
        limit = 2.0**31 if isinstance(value, int) else float("inf")
        if not bound <= value <= limit:
            raise InvalidInputError(f"{name} is {value}, expected at least {bound} and below {limit:g}.")
    if not configuration.objective.temperature > 0:
        raise InvalidInputError(
            f"objective.temperature is {configuration.objective.temperature}, expected a number above 0."
        )
    if configuration.objective.name == "in_batch_softmax" and configuration.training.batch_size == 1:
        raise InvalidInputError(
            "training.batch_size is 1, but the negatives of objective in_batch_softmax are the other items of the "
            "batch, so the loss would always be 0. Raise it, or set objective.name to bpr or full_softmax."
        )
    if configuration.training.tensorboard not in CONTENTS:
        raise unknown_name("training.tensorboard", configuration.training.tensorboard, CONTENTS)
    if not configuration.evaluation.k:
        raise InvalidInputError("evaluation.k is empty, expected cut-offs such as [10, 20].")
    for cutoff in configuration.evaluation.k:
        MetricName.parse(f"recall@{cutoff}")


def _floats(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """All floating-point numbers of a configuration, with the names of their fields."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _floats(getattr(value, field.name), f"{name}.{field.name}".lstrip("."))
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _floats(entry, f"{name}[{key}]")
    elif isinstance(value, list):
        for entry in value:
            yield from _floats(entry, name)
    elif isinstance(value, float):
        yield name, value
