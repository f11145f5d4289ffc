"""The parts that a command line chooses, found before it is parsed: they decide which options there are."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.parts.parts import PartKind, PartSettings, owners_of, part_name, setting_names
from tf_metammf.trainer.configuration.configuration_files import configuration_file, read_configuration
from tf_metammf.trainer.configuration.configuration_parser import chosen_parts
from tf_metammf.trainer.configuration.sections import PLACES
from tf_metammf.trainer.runs.run_directory import RunDirectory

Parts = Mapping[PartKind, type[PartSettings]]

AUTO = "auto"
"""What ``--config`` takes for a race of presets, instead of one of them."""


def parts_of_words(words: Sequence[str]) -> dict[PartKind, type[PartSettings]]:
    """Settings of the parts that ``--config``, ``--from`` and the names of parts choose; the last of each counts.

    Raises:
        InvalidInputError: A file cannot be read, or a name is unknown.
    """
    return chosen_parts(*_contents(words))


def file_of(option: str, value: str) -> Path:
    """The configuration file that ``--config VALUE`` or ``--from VALUE`` names.

    Raises:
        InvalidInputError: There is none.
    """
    if option == "--config":
        return configuration_file(value)
    run = RunDirectory(Path(value))
    if not run.configuration_file.is_file():
        raise InvalidInputError(f"--from {value}: has no {run.configuration_file.name}, so it is not a run directory.")
    return run.configuration_file


def setting_of_another_part(option: str, parts: Parts) -> InvalidInputError | None:
    """The error for an option that belongs to a part that was not chosen; None for other options."""
    for kind, place in PLACES.items():
        prefix = f"--{place}."
        if not option.startswith(prefix):
            continue
        setting, settings = option.removeprefix(prefix), parts[kind]
        own, owners = setting_names(settings), owners_of(kind, setting)
        if "." in setting or setting in own:
            continue
        if owners:
            return InvalidInputError(
                f"{option} belongs to the {kind} {' and '.join(owners)}, and {prefix}name is {part_name(settings)}, "
                f"which has {', '.join(sorted(own - {'name'})) or 'no settings'}. Leave it out, or choose another."
            )
    return None


def _contents(words: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        option, is_given, value = word.partition("=")
        value = value if is_given else following
        if option in ("--config", "--from") and (option, value) != ("--config", AUTO):
            yield read_configuration(file_of(option, value))
        for place in PLACES.values():
            if option == f"--{place}.name":
                content: dict[str, Any] = {"name": value}
                for section in reversed(place.split(".")):
                    content = {section: content}
                yield content
