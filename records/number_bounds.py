"""Bounds of the numbers in settings."""

import sys

from tf_metammf.errors import InvalidInputError

_LARGEST_FINITE = sys.float_info.max


def require_number(name: str, number: float, least: float, most: float = _LARGEST_FINITE, *, why: str = "") -> None:
    """Refuses a number that is out of its bounds, and NaN.

    Args:
        name: What it is, for the message.
        number: The number.
        least: The smallest one that is accepted.
        most: The largest one; by default any finite one.
        why: What the bounds depend on, for the message, as " with 3 modalities".

    Raises:
        InvalidInputError: It is out of its bounds.
    """
    if not least <= number <= most:
        bounds = f"at least {_shown(least)}" if most >= _LARGEST_FINITE else f"{_shown(least)} to {_shown(most)}"
        raise InvalidInputError(f"{name} is {number}, expected {bounds}{why}.")


def _shown(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)
