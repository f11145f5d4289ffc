"""Plain values and words of a command line read as a configuration, each part with the settings of its own.

The type of a configuration follows from the parts that are chosen in it. So they are found first, and everything else
is left to jsonargparse.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import cache
from typing import Any, cast, get_type_hints

from jsonargparse import ArgumentParser

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.parts.parts import PartKind, PartSettings, known_parts, owners_of, part_name, setting_names, settings_of
from tf_metammf.trainer.configuration.configuration_messages import plain_message
from tf_metammf.trainer.configuration.earlier_configurations import modernized
from tf_metammf.trainer.configuration.sections import PLACES, ModelConfiguration, Sections, part_of

Parts = Mapping[PartKind, type[PartSettings]]


def default_parts() -> dict[PartKind, type[PartSettings]]:
    """Settings of the parts of the default configuration."""
    return {kind: type(part_of(Sections(), kind)) for kind in PLACES}


def chosen_parts(*contents: Mapping[str, Any]) -> dict[PartKind, type[PartSettings]]:
    """Settings of the parts that nested values choose; of several, the last one that chooses counts.

    Raises:
        InvalidInputError: A name is unknown.
    """
    parts = default_parts()
    for content in contents:
        for kind, place in PLACES.items():
            name = chosen_name(_at(content, place))
            if name is not None:
                parts[kind] = settings_of(kind, name)
    return parts


def chosen_name(values: Any) -> str | None:
    """The name of a part in its settings, or its name alone; None where there is none."""
    name = values.get("name") if isinstance(values, Mapping) else values
    if name is None or isinstance(name, str):
        return name
    if isinstance(name, bool | int | float):
        return str(name)
    return None


def without_settings_of_others(content: Mapping[str, Any], parts: Parts) -> dict[str, Any]:
    """The same values where other parts were chosen after they were written, without settings the new ones lack."""
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in content.items()}
    for kind, place in PLACES.items():
        *sections, last = place.split(".")
        section = result
        for each in sections:
            found = section.get(each)
            section = found if isinstance(found, dict) else {}
        values = section.get(last)
        name = chosen_name(values)
        if not isinstance(values, Mapping):
            if name is not None:
                section[last] = {"name": part_name(parts[kind])}
        elif name != part_name(parts[kind]) and name is not None:
            own, before = setting_names(parts[kind]), setting_names(settings_of(kind, name))
            kept = {
                key: value for key, value in values.items() if key in own or not (key in before or owners_of(kind, key))
            }
            section[last] = {**kept, "name": part_name(parts[kind])}
    return result


def configuration_type(parts: Parts) -> type[Sections]:
    """The type of the sections of a configuration with these parts, its fields of their types."""
    return _configuration_type(tuple(sorted(parts.items())))


@cache
def _configuration_type(parts: tuple[tuple[PartKind, type[PartSettings]], ...]) -> type[Sections]:
    given = dict(parts)
    of_model = [kind for kind, place in PLACES.items() if place.startswith("model.")]
    model = _narrowed(ModelConfiguration, {kind: given[kind] for kind in of_model})
    return cast(type[Sections], _narrowed(Sections, {"model": model, "objective": given["objective"]}))


def _narrowed(section: type, types: Mapping[str, type]) -> type:
    changed = [(name, kind, field(default_factory=kind)) for name, kind in types.items()]
    return make_dataclass(section.__name__, changed, bases=(section,), namespace={"__doc__": section.__doc__})


def parsed_sections(content: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """The sections of a configuration from nested plain values, each of the type that follows from the chosen parts.

    Args:
        content: The values, of which some may be left out.
        source: Where they come from, for messages.

    Raises:
        InvalidInputError: A section or field is unknown, does not belong to the chosen part, or has a value of the
            wrong type.
    """
    content = modernized(content)
    parts = chosen_parts(content)
    content = checked_content(content, parts, source=source)
    parser = _parser(configuration_type(parts))  # type: ignore[arg-type]  # classes are hashable, whatever their instances are
    try:
        parsed = parser.instantiate(parser.parse_object(content))
    except Exception as error:
        raise InvalidInputError(f"{source}: {plain_message(str(error))}") from error
    return vars(parsed)


@cache
def _parser(sections: type[Sections]) -> ArgumentParser:
    # Kept: making it takes twice as long as parsing, and a comparison parses dozens of times.
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(sections)
    return parser


def checked_content(content: Mapping[str, Any], parts: Parts, *, source: str) -> dict[str, Any]:
    """Nested values of known fields, for these parts; settings of others that they were written for are left out.

    Raises:
        InvalidInputError: A field is unknown, or does not belong to its part.
    """
    checked = without_settings_of_others(content, parts)
    for kind, place in PLACES.items():
        check_settings(kind, parts[kind], _at(checked, place) or {}, place=place, source=source)
    _check_fields(checked, configuration_type(parts), source=source)
    return checked


def check_settings(
    kind: PartKind, settings: type[PartSettings], names: Iterable[str], *, place: str, source: str
) -> None:
    """Refuses settings that a part does not have.

    Raises:
        InvalidInputError: The message names the parts that have it, or the nearest setting.
    """
    own = setting_names(settings)
    for name in names:
        if name in own:
            continue
        owners = owners_of(kind, str(name))
        if owners:
            raise InvalidInputError(
                f"{source}: {place}.{name} belongs to {' and '.join(owners)}, and {place}.name is "
                f"{part_name(settings)}, which has {', '.join(sorted(own - {'name'})) or 'no settings'}. Leave it out, "
                f"or choose another {kind}."
            )
        known = [f"{place}.{each}" for each in own]
        raise unknown_name(f"setting of the {kind} {part_name(settings)} in {source}:", f"{place}.{name}", known)


def _check_fields(content: Mapping[str, Any], section: type, *, source: str, place: str = "") -> None:
    """Refuses fields that no section has, with the nearest one that there is."""
    hints = get_type_hints(section)
    known = [each.name for each in fields(section)]
    for name, value in content.items():
        if name not in known:
            raise unknown_name(f"field of {source}:", f"{place}{name}", [f"{place}{each}" for each in known])
        if is_dataclass(hints[name]):
            if not isinstance(value, Mapping):
                raise InvalidInputError(f"{source}: {place}{name} is {value!r}, expected a section with fields.")
            _check_fields(value, cast(type, hints[name]), source=source, place=f"{place}{name}.")


def _at(content: Any, place: str) -> Any:
    """The value at a dotted name, or None where there is none."""
    for name in place.split("."):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def parts_by_name() -> dict[PartKind, list[str]]:
    """Names of all parts that come with this package, by kind."""
    return {kind: list(known_parts(kind)) for kind in PLACES}
