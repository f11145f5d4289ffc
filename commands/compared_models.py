"""The models of a comparison, as ``compare --models`` names them."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.parts.parts import known_parts, setting_names
from tf_metammf.trainer.configuration.configuration_files import preset_names, read_configuration
from tf_metammf.trainer.configuration.configuration_parser import Parts, chosen_parts
from tf_metammf.trainer.configuration.earlier_configurations import modernized
from tf_metammf.trainer.configuration.sections import PLACES
from tf_metammf.trainer.search.search_fields import leaves, nested_fields
from tf_metammf.trainer.search.search_space import SearchSpace, load_search_space


def named_models(text: str, *, overrides: Mapping[str, Any], searched: bool) -> dict[str, SearchSpace]:
    """The models by name.

    A field has the value of the preset or file, or in its place that of the overrides, or in place of both the fusion
    after a plus. An override of a setting of one part is for the models that have this part.

    Args:
        text: Presets, files or run directories, each as ``NAME=FILE+FUSION`` or a part of that, with commas between,
            quoted as in a CSV file where one has commas.
        overrides: Nested values for all models.
        searched: Whether a model without ranges gets those that are shipped.

    Raises:
        InvalidInputError: A file or preset cannot be read, or two models have the same name.
    """
    models: dict[str, SearchSpace] = {}
    taken: set[str] = set()
    for word in next(csv.reader([text], skipinitialspace=True), []):
        if not word.strip():
            continue
        name, file, fusion = _parts(word.strip())
        of_run = Path(file) / "configuration.yaml"
        place = of_run if of_run.is_file() else Path(file)
        name = name or _name_of(Path(file)) + (f"+{fusion}" if fusion else "")
        if name in models:
            raise InvalidInputError(f'two models have the name "{name}". Name them with NAME=FILE.')
        values = _with_fusion(overrides, fusion) if fusion else overrides
        own = _own_fields(values, chosen_parts(read_configuration(place), modernized(values, partial=True)))
        taken |= set(own)
        models[name] = load_search_space(place, overrides=nested_fields(own), default_ranges=searched)
    for field in leaves(overrides):
        if models and field not in taken:
            raise InvalidInputError(f"--{field} is a setting of a part that none of {', '.join(models)} has.")
    return models


def _own_fields(overrides: Mapping[str, Any], parts: Parts) -> dict[str, Any]:
    """The fields that are shared by all models, or settings of the parts of this one."""
    foreign = {
        f"{place}.{name}"
        for kind, place in PLACES.items()
        for settings in known_parts(kind).values()
        for name in setting_names(settings) - setting_names(parts[kind])
    }
    return {field: value for field, value in leaves(overrides).items() if field not in foreign}


def _parts(word: str) -> tuple[str, str, str]:
    """The name, the file or preset and the fusion; name and fusion are empty where they are left out."""
    places = [0, *(place + 1 for place, sign in enumerate(word) if sign == "=")]
    # A name and a path may both hold "=": the first of them that leaves a file or a preset separates the two.
    start = next((place for place in places if _is_there(word[place:])), places[-1])
    name, whole = word[: max(start - 1, 0)], word[start:]
    file, _, fusion = whole.rpartition("+")
    return (name, whole, "") if Path(whole).exists() or not file or not fusion else (name, file, fusion)


def _is_there(text: str) -> bool:
    return any(name and (Path(name).exists() or name in preset_names()) for name in (text, text.rpartition("+")[0]))


def _name_of(file: Path) -> str:
    return file.stem if file.is_file() else file.resolve().name


def _with_fusion(overrides: Mapping[str, Any], fusion: str) -> dict[str, Any]:
    model = overrides.get("model", {})
    return {**overrides, "model": {**model, "fusion": {**model.get("fusion", {}), "name": fusion}}}
