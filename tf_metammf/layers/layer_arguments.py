"""Arguments of layers: checked, and copied where two weights must not share them."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from tf_metammf.errors import InvalidInputError


def positive_integer(layer: str, argument: str, value: Any) -> int:
    """``value`` as an int.

    Raises:
        InvalidInputError: It is not an integer of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InvalidInputError(f"{layer}: {argument} is {value!r}, expected an integer of at least 1.")
    return int(value)


def optional_positive_integer(layer: str, argument: str, value: Any) -> int | None:
    """``value`` as an int, or None where it is None.

    Raises:
        InvalidInputError: It is neither None nor an integer of at least 1.
    """
    return None if value is None else positive_integer(layer, argument, value)


def layer_widths(layer: str, argument: str, value: Any) -> tuple[int, ...]:
    """``value`` as a tuple of widths, one a layer.

    Raises:
        InvalidInputError: It is empty, not a sequence, or holds something other than integers of at least 1.
    """
    widths = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
    if not widths:
        raise InvalidInputError(
            f"{layer}: {argument} is {value!r}, expected one width for each layer, such as (64, 32)."
        )
    return tuple(positive_integer(layer, argument, width) for width in widths)


def share(layer: str, argument: str, value: Any) -> float:
    """``value`` as a float.

    Raises:
        InvalidInputError: It is not a number in [0, 1).
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise InvalidInputError(f"{layer}: {argument} is {value!r}, expected a number in [0, 1).")
    return float(value)


def copied(initializer: Any) -> Any:
    """An initialiser of the same configuration, so that two weights do not start out equal.

    An unseeded Keras initialiser draws a seed when it is made and gives the same values for
    the same shape ever after.
    """
    if hasattr(initializer, "get_config"):
        return type(initializer).from_config(initializer.get_config())
    return initializer


def not_negative(argument: str, value: float) -> float:
    """A finite number of at least 0.

    Raises:
        InvalidInputError: It is something else.
    """
    if not 0 <= value < float("inf"):
        raise InvalidInputError(f"{argument} is {value}, expected a number of at least 0.")
    return value
