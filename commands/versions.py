"""What ``--version`` prints: the first lines of a report of a fault."""

from argparse import SUPPRESS, Action, ArgumentParser
from typing import Any, NoReturn

import tf_metammf
from tf_metammf.trainer.runs.environment import describe_environment


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
    environment: Any = describe_environment()
    packages = {name: found or "missing" for name, found in environment["packages"].items() if name != "tf-metammf"}
    found = {"Python": environment["python"], **packages}
    return f"{tf_metammf.__version__} ({', '.join(f'{name} {version}' for name, version in found.items())})"
