"""A fault that the suite has to notice."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One fault; ``found`` occurs once in ``file``, and at least one of the tests fails with ``wrong`` in its place."""

    name: str
    file: str
    found: str
    wrong: str
    tests: str
    """Words for pytest."""
