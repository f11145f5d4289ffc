"""Presets and configuration files: found by name, read as plain values."""

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.trainer.configuration.earlier_configurations import modernized
from tf_metammf.trainer.configuration.sections import Sections
from tf_metammf.trainer.configuration.yaml_files import read_mapping, require_sections

PRESETS_FOLDER = files("tf_metammf.trainer.configuration") / "presets"


def preset_names() -> list[str]:
    """Names of the presets that are shipped."""
    return sorted(Path(entry.name).stem for entry in PRESETS_FOLDER.iterdir() if entry.name.endswith(".yaml"))


def preset_path(name: str) -> Path:
    """The YAML file of a preset.

    Raises:
        InvalidInputError: There is no such preset.
    """
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    return Path(str(PRESETS_FOLDER / f"{name}.yaml"))


def configuration_file(name: str) -> Path:
    """The file of that name, or of the preset of that name where there is no such file.

    Raises:
        InvalidInputError: There is no such file and no such preset.
    """
    path = Path(name)
    if path.is_file():
        return path
    if name in preset_names() or not (path.suffix or path.exists() or path.parent.name):
        return preset_path(name)
    if path.is_dir():
        raise InvalidInputError(f"{name}: is a folder, expected a YAML file or a preset: {', '.join(preset_names())}.")
    nearest = get_close_matches(path.stem, preset_names(), n=1, cutoff=0.6)
    guess = f' Did you mean the preset "{nearest[0]}"?' if nearest else " Give a YAML file or a preset."
    raise InvalidInputError(f"{name}: file not found.{guess}")


def read_configuration(path: str | Path) -> dict[str, Any]:
    """Reads the plain values of a configuration file, or of a preset by its name, in today's shape.

    Raises:
        InvalidInputError: The file cannot be read, is empty, gives a key twice or holds no sections.
    """
    file = configuration_file(str(path))
    content = modernized(read_mapping(file))
    require_sections(content, Sections, source=str(file))
    return content
