"""The argument parser of every command: one line for a mistake, presets by name."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, get_loader, set_loader  # type: ignore[attr-defined]

from tf_metammf.commands.help_text import CommandHelp
from tf_metammf.commands.part_options import AUTO, Parts, file_of, setting_of_another_part
from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.trainer.configuration.configuration_files import read_configuration
from tf_metammf.trainer.configuration.configuration_messages import plain_message
from tf_metammf.trainer.configuration.configuration_parser import checked_content
from tf_metammf.trainer.configuration.yaml_files import UniqueKeyLoader
from tf_metammf.trainer.search.search_fields import field_types


def _load(text: str) -> Any:
    """The value of an option: YAML, of which only the word null is nothing, not ``~`` or what begins with ``#``."""
    yaml.load(text, Loader=UniqueKeyLoader)
    value = get_loader("yaml")(text)
    return text if value is None else value


set_loader("option", _load, exceptions=(yaml.YAMLError,))


class CommandParser(ArgumentParser):
    """An argument parser that reports a mistake as :class:`InvalidInputError`, in one line."""

    words: Sequence[str] = ()
    """What it is going to parse, for options that depend on others."""
    parts: Parts | None = None
    """The parts that these words choose, where there are options for their settings."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=CommandHelp, parser_mode="option", **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises the mistake with the nearest known option, instead of printing the whole usage."""
        unknown = re.match(r"unrecognized arguments: (--[\w.+-]+)", " ".join(message.split()), re.IGNORECASE)
        if unknown and self.parts is not None and (error := setting_of_another_part(unknown[1], self.parts)):
            raise error from ex
        options = [option for action in self._actions for option in action.option_strings]
        raise InvalidInputError(_one_line(message, options)) from ex


class ConfigurationFile(ActionConfigFile):
    """``--config`` takes a YAML file or the name of a preset, ``--from`` a run directory."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Takes the file, or the file of the preset or of the run, in today's shape and for the chosen parts."""
        earlier = list(namespace.get(self.dest) or [])
        if (option_string, values) == ("--config", AUTO):
            namespace[self.dest] = [*earlier, AUTO]
            return
        file = file_of(str(option_string), str(values))
        content = checked_content(read_configuration(file), parser.parts, source=str(file))
        super().__call__(parser, namespace, yaml.safe_dump(content), option_string)
        namespace[self.dest] = [*earlier, str(file)]


def add_short_name(parser: ArgumentParser, name: str, option: str) -> None:
    """Lets an option be given by another name too; a switch needs no value then: ``--NAME`` is ``--NAME true``."""
    action = parser._option_string_actions[option]
    action.option_strings = [*action.option_strings, name]
    parser._option_string_actions[name] = action
    if isinstance(action.default, bool):
        action.nargs, action.const = "?", True


def _one_line(message: str, options: list[str]) -> str:
    text = " ".join(message.split())
    text = re.sub(r"^Subcommand '[\w ]+' does not accept (?:option|nested key) '", "unrecognized arguments: '--", text)
    if unknown := re.match(r"unrecognized arguments: '?(--[\w.+-]+)", text, re.IGNORECASE):
        known = options + [f"--{field}" for field in field_types()]
        nearest = get_close_matches(unknown[1], known, n=1, cutoff=0.5)
        return f"unknown option {unknown[1]}" + (f"; did you mean {nearest[0]}?" if nearest else ". See --help.")
    if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", text):
        option = re.match(r"argument --([\w.+-]+): ", text)
        return str(unknown_name(option[1] if option else "command", choice[1], re.findall(r"[\w-]+", choice[2])))
    if missing := re.match(r"the following arguments are required: (.*)", text):
        names = ", ".join(name.rpartition(".")[2] for name in missing[1].split(", "))
        return f"missing: {names}. See --help."
    if re.match(r'expected "[\w.]+" to be one of {', text):
        return "a command is missing. See --help."
    return plain_message(text, prefix="--")
