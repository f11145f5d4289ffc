"""What ``--print_completion`` prints: a script that completes commands, options and values in a shell.

shtab writes the script from the parser, so completing starts no Python. The script has the settings of all parts,
because it cannot know which of them a command line is going to choose.
"""

import sys
from argparse import SUPPRESS, Action, ArgumentParser, _StoreAction
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

from tf_metammf.errors import InvalidInputError, unknown_name

if TYPE_CHECKING:
    from tf_metammf.commands.parser import CommandParser

SHELLS = ("bash", "fish", "zsh")

VALUES: dict[str, tuple[str, ...]] = {
    "--ablate": ("depth", "encoder", "meta_units", "modalities", "rank", "static", "updates", "user_history"),
    "--index": ("exact", "partitioned"),
    "--on_error": ("skip", "stop"),
    "--print_completion": SHELLS,
    "--rerank.similarity": ("content", "vectors"),
    "--split": ("test", "validation"),
    "--splitting.method": ("cold_start", "leave_last_out", "random", "source", "time"),
    "--tuner": ("bayesian", "hyperband", "random"),
}
"""Words of options that are checked where they are used, in modules that would import TensorFlow."""


class PrintCompletion(Action):
    """``--print_completion SHELL``: prints the script and ends the program."""

    def __init__(self, option_strings: list[str], dest: str, **_: Any) -> None:
        super().__init__(
            option_strings,
            dest=SUPPRESS,
            default=SUPPRESS,
            metavar="SHELL",
            help="Print a completion script for bash, zsh or fish and exit.",
        )

    def __call__(self, parser: ArgumentParser, _namespace: Any, values: Any, _option: str | None = None) -> NoReturn:
        """Prints the script.

        Raises:
            InvalidInputError: The shell is unknown, or shtab is not installed.
        """
        print(completion_script(parser, str(values)))
        sys.exit()


def completion_script(parser: Any, shell: str) -> str:
    """The script for a shell. The parser is changed and parses no more.

    Raises:
        InvalidInputError: The shell is unknown, or shtab is not installed.
    """
    if shell not in SHELLS:
        raise unknown_name("shell", shell, SHELLS)
    if find_spec("shtab") is None:
        raise InvalidInputError(
            "a completion script needs the package shtab, which is not installed. Install it with pip install "
            '"tf-metammf[completion]".'
        )
    for name, command in _commands(parser):
        if name in ("train", "tune", "compare"):
            _offer_settings_of_all_parts(command)
        _offer_values(command)
    return str(parser.get_completion_script(f"shtab-{shell}"))


def _commands(parser: Any, name: str = "") -> "Iterator[tuple[str, CommandParser]]":
    yield name, parser
    if parser._subcommands_action:
        for own, command in parser._subcommands_action._name_parser_map.items():
            yield from _commands(command, own)


def _offer_settings_of_all_parts(command: "CommandParser") -> None:
    from tf_metammf.parts.parts import known_parts
    from tf_metammf.trainer.configuration.sections import PLACES
    from tf_metammf.trainer.search.search_fields import field_types

    words = {f"{place}.name": list(known_parts(kind)) for kind, place in PLACES.items()}
    for field, hint in field_types().items():
        option = f"--{field}"
        action = command._option_string_actions.get(option)
        if action is None:
            action = _StoreAction([option], dest=field, help="A setting of a part that is not chosen by default.")
            command._option_string_actions[option] = action
            command._actions.append(action)
        elif action.help == SUPPRESS:
            action.help = "A field of the configuration."
        action.choices = words.get(field) or _words_of(hint) or None


def _offer_values(command: "CommandParser") -> None:
    from tf_metammf.records.sources import source_names
    from tf_metammf.trainer.configuration.configuration_files import preset_names

    values: dict[str, Iterable[str]] = {**VALUES, "--source": source_names()}
    values |= dict.fromkeys(("--config", "--models", "--reference"), preset_names())
    for action in command._actions:
        for option in action.option_strings:
            if option in values:
                action.choices = list(values[option])


def _words_of(hint: Any) -> list[str]:
    """The words that a field takes, where it takes no others."""
    if hint is bool:
        return ["true", "false"]
    if get_origin(hint) is Literal:
        return [str(word) for word in get_args(hint)]
    parts = [part for part in get_args(hint) if part is not type(None)]
    return [*_words_of(parts[0]), "null"] if len(parts) == 1 and _words_of(parts[0]) else []
