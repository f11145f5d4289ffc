"""What a search may do with one field: a range of numbers, or a choice of values."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from tf_metammf.errors import InvalidInputError, unknown_name

KINDS = ("choice", "log_range", "range")

FIXED = ("evaluation.k", "evaluation.monitor", "training.seed")
"""Fields by which trials are compared; they cannot be searched."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        low: The least.
        high: The largest.
        log: Whether their logarithms are drawn evenly, not they themselves.
        integer: Whether they are whole.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    @property
    def ends(self) -> list[Any]:
        """The least and the largest value."""
        return [self.low, self.high]

    def value(self, drawn: float) -> float:
        """The value of a drawn number: five significant digits are as fine as any search is."""
        return int(drawn) if self.integer else min(max(float(f"{drawn:.5g}"), self.low), self.high)

    def to_mapping(self) -> dict[str, Any]:
        """As a configuration has it."""
        return {"log_range" if self.log else "range": self.ends}


@dataclass(frozen=True)
class Choice:
    """One of some values, of any type that the field takes.

    Attributes:
        options: The values.
    """

    options: tuple[Any, ...]

    @property
    def ends(self) -> list[Any]:
        """All values."""
        return list(self.options)

    @property
    def labels(self) -> list[str]:
        """The values as JSON: Keras Tuner knows neither lists nor null."""
        return [json.dumps(option) for option in self.options]

    def value(self, drawn: str) -> Any:
        """The value of a label."""
        return self.options[self.labels.index(drawn)]

    def to_mapping(self) -> dict[str, Any]:
        """As a configuration has it."""
        return {"choice": self.ends}


Parameter = Range | Choice


def parse_parameter(name: str, hint: Any, content: Mapping[str, Any]) -> Parameter:
    """The range or choice that a configuration gives for a field.

    Args:
        name: The field, such as ``"model.fusion.rank"``.
        hint: The type of its values.
        content: ``{"range": [low, high]}``, ``{"log_range": [low, high]}`` or ``{"choice": [...]}``.

    Raises:
        InvalidInputError: It is none of these, or does not fit the type; the message names the field.
    """
    if name in FIXED:
        raise InvalidInputError(f"{name} has to be the same in all trials, so it cannot be searched. Give one value.")
    if len(content) != 1:
        raise InvalidInputError(f"{name} has {len(content)} kinds of search, expected one of {', '.join(KINDS)}.")
    ((kind, given),) = content.items()
    if kind not in KINDS:
        raise unknown_name(f"kind of search for {name}:", str(kind), KINDS)
    return _choice(name, hint, given) if kind == "choice" else _range(name, hint, given, log=kind == "log_range")


def _range(name: str, hint: Any, given: Any, *, log: bool) -> Range:
    kind = "log_range" if log else "range"
    types = _alternatives(hint)
    if not {int, float} & set(types):
        raise InvalidInputError(f"{name}: found a {kind}, but the field is {_described(hint)}. Give a choice.")
    if not isinstance(given, list) or len(given) != 2:
        raise InvalidInputError(f"{name}: found the {kind} {given}, expected [low, high].")
    low, high = (_number(name, kind, end) for end in given)
    integer = float not in types
    if integer and (low % 1 or high % 1):
        raise InvalidInputError(f"{name}: found the {kind} [{low:g}, {high:g}], but the field takes whole numbers.")
    if low >= high:
        raise InvalidInputError(f"{name}: found the {kind} [{low:g}, {high:g}], expected low below high.")
    if log and low <= 0:
        raise InvalidInputError(f"{name}: found the {kind} [{low:g}, {high:g}], expected low above 0. Or give a range.")
    return Range(int(low), int(high), log, integer) if integer else Range(low, high, log)


def _number(name: str, kind: str, end: Any) -> float:
    try:
        # YAML 1.1 takes 1e-4, without a point, for text.
        number = math.nan if isinstance(end, bool) else float(end)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInputError(f"{name}: found {end!r} in its {kind}, expected two numbers.")
    return number


def _choice(name: str, hint: Any, given: Any) -> Choice:
    if not isinstance(given, list) or not given:
        raise InvalidInputError(f"{name}: found the choice {given}, expected a list of at least one value.")
    options = []
    for value in given:
        option = _number(name, "choice", value) if isinstance(value, str) and _alternatives(hint) == [float] else value
        if not _fits(option, hint):
            raise InvalidInputError(f"{name}: found {value!r} in its choice, expected {_described(hint)}.")
        if option in options:
            raise InvalidInputError(f"{name}: found {value!r} twice in its choice. Leave one out.")
        options.append(option)
    return Choice(tuple(options))


def _alternatives(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in (Union, UnionType) else [hint]


def _fits(value: Any, hint: Any) -> bool:
    for type_ in _alternatives(hint):
        if get_origin(type_) is Literal:
            if value in get_args(type_):
                return True
        elif type_ is Any:
            return True
        elif get_origin(type_) is dict:
            if isinstance(value, dict):
                return True
        elif get_origin(type_) is list:
            if isinstance(value, list) and all(_fits(each, get_args(type_)[0]) for each in value):
                return True
        elif isinstance(value, bool) or type_ is bool:
            if isinstance(value, bool) and type_ is bool:
                return True
        elif isinstance(value, (int, float) if type_ is float else type_):
            return True
    return False


def _described(hint: Any) -> str:
    return " or ".join(map(_described_alternative, _alternatives(hint)))


def _described_alternative(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if get_origin(hint) is list:
        return f"list of {_described(get_args(hint)[0])}"
    return "null" if hint is NoneType else str(getattr(hint, "__name__", hint))
