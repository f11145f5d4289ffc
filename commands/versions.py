"""What ``--version`` prints: the first lines of a report of a fault."""

import platform
from argparse import SUPPRESS, Action, ArgumentParser
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

import tf_metammf

PACKAGES = ("tensorflow", "tf-keras", "tensorflow-recommenders", "keras-tuner", "numpy")
"""The installed packages on whose versions results depend most."""


class Versions(Action):
    """``--version``: prints one line and ends the program."""

    def __init__(self, option_strings: list[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest=SUPPRESS, default=SUPPRESS, nargs=0, help="Print versions and exit.")

    def __call__(self, parser: ArgumentParser, *_: Any) -> NoReturn:
        """Prints the versions."""
        print(f"{parser.prog} {versions()}")
        parser.exit()


def versions() -> str:
    """The version, and in brackets those of Python and of what else matters, read without importing it."""
    found = [f"Python {platform.python_version()}", *(f"{package} {_version_of(package)}" for package in PACKAGES)]
    return f"{tf_metammf.__version__} ({', '.join(found)})"


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
