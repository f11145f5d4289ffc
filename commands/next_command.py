"""The command that usually follows, printed after one that is done."""

import shlex
import sys

from tf_metammf.records.console import make_console


def print_next(*words: object) -> None:
    """Prints a command on a terminal; into a pipe or a file nothing is printed, because results are read there.

    Args:
        words: Words of the command, after the name of the program.
    """
    if sys.stdout.isatty():
        command = shlex.join(["tf-metammf", *map(str, words)])
        make_console().print(f"next: {command}", style="dim", soft_wrap=True)
