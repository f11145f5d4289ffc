"""Search spaces: a configuration in which some fields are ranges or choices.

.. code-block:: yaml

    training:
      learning_rate: {log_range: [1.0e-4, 1.0e-2]}
    model:
      fusion:
        rank: {choice: [4, 8, 16, 32]}
      id_dropout: {range: [0.0, 0.5]}

What is no range and no choice has the same value in every trial. No TensorFlow is imported here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.parts.parts import setting_names
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.configuration_files import PRESETS_FOLDER, configuration_file, read_configuration
from tf_metammf.trainer.configuration.configuration_parser import chosen_parts, without_settings_of_others
from tf_metammf.trainer.configuration.earlier_configurations import modernized
from tf_metammf.trainer.configuration.sections import PLACES, part_of
from tf_metammf.trainer.search.search_fields import flat_fields, leaves, nested_fields, searched_fields
from tf_metammf.trainer.search.search_parameters import KINDS, Parameter, parse_parameter

DEFAULT_SPACE = files("tf_metammf.trainer.search") / "spaces" / "default.yaml"
"""What is searched where a configuration has no range and no choice, beside what its parts declare."""


@dataclass(frozen=True)
class SearchSpace:
    """Configurations to choose from.

    Attributes:
        fixed: Values by field, such as ``"training.epochs"``, that all of them have; other fields have their default.
        parameters: What is searched, by field.
    """

    fixed: dict[str, Any]
    parameters: dict[str, Parameter]

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], *, source: str = "search space") -> "SearchSpace":
        """A search space from nested plain values in which a range or choice is a mapping with its kind.

        Raises:
            InvalidInputError: A field is unknown, or its value, range or choice does not fit; the message names it.
        """
        fixed: dict[str, Any] = {}
        parameters: dict[str, Parameter] = {}
        for name, hint, value in searched_fields(modernized(content), source=source):
            if isinstance(value, Mapping) and (len(value) != 1 or set(value) & set(KINDS) or not _takes_mapping(hint)):
                parameters[name] = parse_parameter(name, hint, value)
            else:
                fixed[name] = value
        space = cls(fixed, parameters)
        Configuration.from_mapping(space._content(space._first_parts()), source=source)
        return space

    def configuration(self, values: Mapping[str, Any]) -> Configuration:
        """The configuration of a trial.

        Args:
            values: A value for every parameter. Where the parts of trials differ, each has the settings of its own.
        """
        return Configuration.from_mapping(self._content(values))

    def _content(self, values: Mapping[str, Any]) -> dict[str, Any]:
        content = nested_fields({**self.fixed, **values})
        parts = chosen_parts(content)
        others = {
            f"{place}.{name}"
            for kind, place in PLACES.items()
            if f"{place}.name" in self.parameters
            for name in set(_section(content, place)) - setting_names(parts[kind])
        }
        return nested_fields({name: value for name, value in {**self.fixed, **values}.items() if name not in others})

    def _first_parts(self) -> dict[str, Any]:
        names = [f"{place}.name" for place in PLACES.values()]
        return {name: self.parameters[name].ends[0] for name in names if name in self.parameters}

    def extremes(self) -> Iterator[Configuration]:
        """A configuration for each end of a range and each option, the others at their first."""
        first = {name: parameter.ends[0] for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            for end in parameter.ends:
                yield self.configuration({**first, name: end})

    def with_fixed(self, name: str, value: Any) -> "SearchSpace":
        """The same space with another value of a field that is not searched."""
        return SearchSpace({**self.fixed, name: value}, self.parameters)

    def complete(self) -> "SearchSpace":
        """The same space with the default of every other field written out: equal for spaces that mean the same."""
        of_first = asdict(self.configuration(self._first_parts()))
        values = {**flat_fields(of_first, source="defaults"), **self.fixed}
        return SearchSpace(
            {name: value for name, value in values.items() if name not in self.parameters}, self.parameters
        )

    def to_mapping(self) -> dict[str, Any]:
        """The space as nested plain values."""
        searched = {name: parameter.to_mapping() for name, parameter in self.parameters.items()}
        return nested_fields({**self.fixed, **searched})


def load_search_space(
    path: str | Path | None = None, *, overrides: Mapping[str, Any] | None = None, default_ranges: bool = True
) -> SearchSpace:
    """Reads a search space from a configuration file or preset.

    Where neither the file nor the overrides have a range or choice, those of :data:`DEFAULT_SPACE` are taken, but for
    fields that were given a value, and for fields of a fusion, peer, graph or ID embedding that the model does not
    have. Overrides and files give values; presets, and configurations in run directories, which hold every field, are
    where a search begins.

    Args:
        path: The YAML file, or name of a preset; None for the defaults alone.
        overrides: Nested values that take the place of those of the file.
        default_ranges: Whether :data:`DEFAULT_SPACE` is taken. Defaults to True.

    Raises:
        InvalidInputError: The file cannot be read or is no search space, or every field that could be searched was
            given a value.
    """
    content = {} if path is None else read_configuration(path)
    source = "configuration" if path is None else str(path)
    overrides = modernized(overrides or {}, partial=True)
    of_file = flat_fields(without_settings_of_others(content, chosen_parts(content, overrides)), source=source)
    given = leaves(overrides)
    values = {**of_file, **given}
    space = SearchSpace.from_mapping(nested_fields(values), source=source)
    if space.parameters or not default_ranges:
        return space
    shipped = default_ranges_of(space.configuration({}))
    fixed = {**given, **(of_file if path is not None and _gives_values(path) else {})}
    searched = {name: value for name, value in shipped.items() if name not in fixed}
    if shipped and not searched:
        raise InvalidInputError(
            f"{source}: every field that could be searched has a fixed value, there or on the command line "
            f"({', '.join(shipped)}). Leave fields out, or give one a range."
        )
    return SearchSpace.from_mapping(nested_fields({**values, **searched}), source=source)


def default_ranges_of(configuration: Configuration) -> dict[str, Any]:
    """What is searched by field where nothing else is said: fields that change something in such a model."""
    model = configuration.model
    of_parts = {
        f"{place}.{name}": value
        for kind, place in PLACES.items()
        for name, value in part_of(configuration, kind).searched_fields.items()
    }
    if model.is_baseline:
        return {name: value for name, value in of_parts.items() if name.startswith(f"{PLACES['encoder']}.")}
    if not model.fuses:
        of_parts = {name: value for name, value in of_parts.items() if not name.startswith(f"{PLACES['fusion']}.")}
    shared = flat_fields(read_configuration(str(DEFAULT_SPACE)), source="default space")
    idle = set() if model.fuses else {"model.modality_dropout"}
    idle |= set() if model.fuses and model.id_units else {"model.id_dropout"}
    idle |= set() if model.has_histories else {"model.user_id_dropout"}
    return {name: value for name, value in {**shared, **of_parts}.items() if name not in idle}


def _gives_values(path: str | Path) -> bool:
    """Whether what is in the file was written by a user, and is not a preset or the configuration of a run."""
    file = configuration_file(str(path))
    return file.parent != Path(str(PRESETS_FOLDER)) and not (file.parent / "records.json").is_file()


def _section(content: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    for name in place.split("."):
        content = content.get(name, {})
    return content


def _takes_mapping(hint: Any) -> bool:
    return "dict" in str(hint)
