"""Options for every field of a configuration, for commands that put them over the values of a file or preset."""

from typing import Any

from jsonargparse import SUPPRESS, Namespace

from tf_metammf.commands.parser import CommandParser, add_short_name
from tf_metammf.commands.part_options import parts_of_words
from tf_metammf.commands.train import SHORT_NAMES
from tf_metammf.trainer.search.search_fields import field_types


def add_field_options(parser: CommandParser, *, explanation: str) -> None:
    """Adds an option for every field, which ``--help`` shows as one, and the short names that ``train`` has.

    Args:
        parser: The parser of the command.
        explanation: What ``--help`` says of them.
    """
    types = field_types() | field_types(parts_of_words(parser.words))
    for name in types:
        parser.add_argument(f"--{name}", type=Any, default=SUPPRESS, help=explanation)
    for short in SHORT_NAMES:
        add_short_name(parser, f"--{short}", f"--training.{short}")
        if types[f"training.{short}"] is bool:
            action = parser._option_string_actions[f"--{short}"]
            action.nargs, action.const = "?", True


def given_fields(arguments: Namespace) -> dict[str, Any]:
    """The fields that were given as options, as nested sections."""
    given = arguments.as_dict()
    sections = {name.partition(".")[0] for name in field_types()}
    return {section: given[section] for section in sections & set(given)}
