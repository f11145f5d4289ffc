"""Bounds of the numbers of a configuration."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.parts.parts import PartKind, PartSettings, settings_of
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.sections import PLACES, part_of

_LEAST = {
    "training": {
        "epochs": 1,
        "batch_size": 1,
        "patience": 0,
        "learning_rate": 0,
        "feature_budget_gb": 0,
        "seed": 0,
        "checkpoint_seconds": 0,
        "checkpoints": 1,
        "rollbacks": 0,
        "profile_steps": 0,
        "modality_stop_growth": 0,
        "modality_stop_from": 2,
        "modality_stop_patience": 1,
        "spike_factor": 1,
    },
    "model": {"id_units": 0, "l2": 0, "adapter_units": 1, "history_items": 1},
}
"""The least value of fields; those of parts are declared beside them."""


def check_bounds(configuration: Configuration) -> None:
    """Refuses values that nothing could be done with.

    Raises:
        InvalidInputError: A number is out of its bounds; the message names the field.
    """
    for name, number in _floats(configuration):
        if not math.isfinite(number):
            raise InvalidInputError(f"{name} is {number}, expected a finite number.")
    for section, least in _LEAST.items():
        _check_least(getattr(configuration, section), least, place=section)
    for kind, place in PLACES.items():
        part = part_of(configuration, kind)
        _check_part(kind, part, place=place)
        _check_least(part, part.lower_bounds, place=place)
        for name in part.above_zero:
            if not getattr(part, name) > 0:
                raise InvalidInputError(f"{place}.{name} is {getattr(part, name)}, expected a number above 0.")
    if configuration.objective.contrasts_batch and configuration.training.batch_size == 1:
        raise InvalidInputError(
            f"training.batch_size is 1, but the negatives of objective {configuration.objective.name} are the other "
            "items of the batch, so the loss would always be 0. Increase it, or set objective.name to bpr or "
            "full_softmax."
        )
    _check_words(configuration.model, place="model")
    _check_words(configuration.training, place="training")
    if not configuration.evaluation.k:
        raise InvalidInputError("evaluation.k is empty, expected cut-offs such as [10, 20].")
    for cutoff in configuration.evaluation.k:
        MetricName.parse(f"recall@{cutoff}")


def _check_part(kind: PartKind, part: Any, *, place: str) -> None:
    """Refuses a part that is no settings, or whose name was changed without them; files and options cannot be so."""
    if not isinstance(part, PartSettings):
        raise InvalidInputError(
            f'{place} is {part!r}, expected settings, such as tf_metammf.parts.parts.settings_of("{kind}", NAME)().'
        )
    expected = settings_of(kind, part.name)
    if type(part) is not expected:
        raise InvalidInputError(
            f"{place}.name is {part.name}, and the settings are {type(part).__name__}, expected {expected.__name__}. "
            f'Set {place} to tf_metammf.parts.parts.settings_of("{kind}", "{part.name}")().'
        )


def _check_least(section: Any, least: Mapping[str, float], *, place: str) -> None:
    for name, bound in least.items():
        value = getattr(section, name)
        if value is None:  # a setting that is left out
            continue
        limit = 2.0**31 if isinstance(value, int) else float("inf")
        if not bound <= value <= limit:
            raise InvalidInputError(f"{place}.{name} is {value}, expected at least {bound} and below {limit:g}.")


def _check_words(section: Any, *, place: str) -> None:
    """Refuses words that are none of a field's, which the parser of files and options does by itself."""
    for name, hint in get_type_hints(type(section)).items():
        words = [
            word for choice in (hint, *get_args(hint)) if get_origin(choice) is Literal for word in get_args(choice)
        ]
        value = getattr(section, name)
        if words and value is not None and value not in words:
            raise unknown_name(f"{place}.{name}", str(value), words)


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
