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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.trainer.configuration import (
    PEER_SETTINGS,
    PRESETS_FOLDER,
    Configuration,
    configuration_file,
    read_configuration,
)
from tf_metammf.trainer.search.search_parameters import Parameter, parse_parameter

DEFAULT_SPACE = files("tf_metammf.trainer.search") / "spaces" / "default.yaml"
"""What is searched where a configuration has no range and no choice."""


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
        for name, hint, value in _leaves(content, Configuration, source=source):
            if isinstance(value, Mapping):
                parameters[name] = parse_parameter(name, hint, value)
            else:
                fixed[name] = value
        space = cls(fixed, parameters)
        Configuration.from_mapping(_nested(fixed), source=source)
        return space

    def configuration(self, values: Mapping[str, Any]) -> Configuration:
        """The configuration of a trial.

        Args:
            values: A value for every parameter.
        """
        return Configuration.from_mapping(_nested({**self.fixed, **values}))

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
        values = {**_flat(asdict(Configuration()), Configuration, source="defaults"), **self.fixed}
        return SearchSpace(
            {name: value for name, value in values.items() if name not in self.parameters}, self.parameters
        )

    def to_mapping(self) -> dict[str, Any]:
        """The space as nested plain values."""
        searched = {name: parameter.to_mapping() for name, parameter in self.parameters.items()}
        return _nested({**self.fixed, **searched})


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
    given = _flat(overrides or {}, Configuration, source="command line")
    of_file = _flat(content, Configuration, source=source)
    values = {**of_file, **given}
    space = SearchSpace.from_mapping(_nested(values), source=source)
    if space.parameters or not default_ranges:
        return space
    shipped = _flat(read_configuration(str(DEFAULT_SPACE)), Configuration, source="default space")
    idle = _idle(space.configuration({}), shipped)
    fixed = {**given, **(of_file if path is not None and _gives_values(path) else {})}
    searched = {name: value for name, value in shipped.items() if name not in idle and name not in fixed}
    if not searched and len(idle) < len(shipped):
        raise InvalidInputError(
            f"{source}: every field that could be searched has a value there or on the command line "
            f"({', '.join(name for name in shipped if name not in idle)}). Leave fields out, or give one a range."
        )
    return SearchSpace.from_mapping(_nested({**values, **searched}), source=source)


def _gives_values(path: str | Path) -> bool:
    """Whether what is in the file was written by somebody, and not a preset or the configuration of a run."""
    file = configuration_file(str(path))
    return file.parent != Path(str(PRESETS_FOLDER)) and not (file.parent / "records.json").is_file()


def _idle(configuration: Configuration, names: Iterable[str]) -> set[str]:
    """Of the fields of these names those that change nothing in such a model."""
    model, objective = configuration.model, configuration.objective
    own = {f"model.peer.{name}" for name in PEER_SETTINGS.get(model.encoder, ())}
    if model.is_baseline:
        if model.peer.similarity != "interactions":
            own -= {"model.peer.shrinkage"}
        return {name for name in names if name not in own}
    idle = {name for name in names if name.startswith("model.peer.") and name not in own}
    idle |= set() if model.fusion.name == "metammf" else {"model.fusion.rank", "model.fusion.meta_units"}
    idle |= set() if model.fuses else {"model.modality_dropout"}
    idle |= set() if model.fuses and model.id_units else {"model.id_dropout"}
    idle |= set() if model.uses_graph else {"model.graph.layers", "model.graph.exclude_targets"}
    # Another number of layers needs another number of dropouts.
    idle |= {"model.graph.layers"} if model.encoder == "sage" and len(model.graph.dropout) > 1 else set()
    idle |= set() if model.uses_graph and model.encoder != "freedom" else {"model.graph.edge_dropout"}
    idle |= set() if model.encoder in ("sage", "lightgcn") else {"model.graph.item_neighbours"}
    return idle | ({"objective.temperature"} if objective.name == "none" else set())


def field_types(section: Any = Configuration, prefix: str = "") -> dict[str, Any]:
    """The type of every field of a configuration by its name, such as ``"model.fusion.rank"``."""
    types: dict[str, Any] = {}
    for name, hint in get_type_hints(section).items():
        types |= field_types(hint, f"{prefix}{name}.") if is_dataclass(hint) else {f"{prefix}{name}": hint}
    return types


def _leaves(
    content: Mapping[str, Any], section: type, *, source: str, prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    hints = get_type_hints(section)
    for key, value in content.items():
        name = f"{prefix}{key}"
        if key not in hints:
            raise unknown_name(f"field of {source}:", name, [f"{prefix}{known}" for known in hints])
        if not is_dataclass(hints[key]):
            yield name, hints[key], value
        elif isinstance(value, Mapping):
            yield from _leaves(value, hints[key], source=source, prefix=f"{name}.")
        else:
            raise InvalidInputError(f"{name} is {value!r}, expected a section with fields of its own.")


def _flat(content: Mapping[str, Any], section: type, *, source: str) -> dict[str, Any]:
    return {name: value for name, _, value in _leaves(content, section, source=source)}


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, field = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[field] = value
    return nested
