"""The argument parser of every command: one line for a mistake, presets by name."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, get_loader, set_loader  # type: ignore[attr-defined]

from tf_metammf.commands.help_text import CommandHelp
from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.trainer.configuration import configuration_file, read_configuration
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.search.search_space import field_types
from tf_metammf.trainer.yaml_files import UniqueKeyLoader


def _load(text: str) -> Any:
    """The value of an option: YAML, of which only the word null is nothing, not ``~`` or what begins with ``#``."""
    yaml.load(text, Loader=UniqueKeyLoader)
    value = get_loader("yaml")(text)
    return text if value is None else value


set_loader("option", _load, exceptions=(yaml.YAMLError,))


class CommandParser(ArgumentParser):
    """An argument parser that reports a mistake as :class:`InvalidInputError`, in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=CommandHelp, parser_mode="option", **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises the mistake with the nearest known option, instead of printing the whole usage."""
        options = [option for action in self._actions for option in action.option_strings]
        raise InvalidInputError(_one_line(message, options)) from ex


class ConfigurationFile(ActionConfigFile):
    """``--config`` takes a YAML file or the name of a preset, ``--from`` a run directory."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Takes the file, or the file of the preset or of the run."""
        file = configuration_file(str(values)) if option_string == "--config" else _file_of_run(Path(str(values)))
        read_configuration(file)  # refuses what the parser would take without a word, such as a key that is given twice
        super().__call__(parser, namespace, str(file), option_string)


def add_short_name(parser: ArgumentParser, name: str, option: str) -> None:
    """Lets an option be given by another name too; a switch needs no value then: ``--NAME`` is ``--NAME true``."""
    action = parser._option_string_actions[option]
    action.option_strings = [*action.option_strings, name]
    parser._option_string_actions[name] = action
    if isinstance(action.default, bool):
        action.nargs, action.const = "?", True


def _file_of_run(folder: Path) -> Path:
    run = RunDirectory(folder)
    if not run.configuration_file.is_file():
        raise InvalidInputError(f"--from {folder}: has no {run.configuration_file.name}, so it is no run directory.")
    return run.configuration_file


def _one_line(message: str, options: list[str]) -> str:
    text = " ".join(message.split())
    text = re.sub(r"^Subcommand '[\w ]+' does not accept (?:option|nested key) '", "unrecognized arguments: '--", text)
    if unknown := re.match(r"unrecognized arguments: '?(--[\w.+-]+)", text, re.IGNORECASE):
        known = options + [f"--{field}" for field in field_types()]
        nearest = get_close_matches(unknown[1], known, n=1, cutoff=0.5)
        return f"unknown option {unknown[1]}" + (f"; did you mean {nearest[0]}?" if nearest else ". See --help.")
    if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", text):
        return str(unknown_name("command", choice[1], re.findall(r"[\w-]+", choice[2])))
    if missing := re.match(r"the following arguments are required: (.*)", text):
        names = ", ".join(name.rpartition(".")[2] for name in missing[1].split(", "))
        return f"missing: {names}. See --help."
    if re.match(r'expected "[\w.]+" to be one of {', text):
        return "a command is missing. See --help."
    if value := re.match(r'Parser key "([\w.]+)":.*(?:Given|Got) value: (.*)', text):
        expected = [name.replace("NoneType", "null") for name in re.findall(r"Expected a <class '(\w+)'>", text)]
        return f"--{value[1]}: found {value[2]}" + (f", expected {' or '.join(expected)}." if expected else ".")
    if other := re.match(r'Parser key "([\w.]+)": (.*)', text):
        return f"--{other[1]}: {other[2]}"
    return text
