"""Fields of a configuration by dotted name, such as ``"model.fusion.rank"``, where their values may be searched."""

from collections.abc import Iterator, Mapping
from dataclasses import field, fields, is_dataclass, make_dataclass
from typing import Any, get_type_hints

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.parts.parts import PartKind, PartSettings, base_settings, known_parts, settings_of
from tf_metammf.trainer.configuration.configuration_parser import (
    Parts,
    check_settings,
    chosen_name,
    configuration_type,
    default_parts,
)
from tf_metammf.trainer.configuration.sections import PLACES
from tf_metammf.trainer.search.search_parameters import KINDS


def searched_fields(content: Mapping[str, Any], *, source: str) -> Iterator[tuple[str, Any, Any]]:
    """Name, type and value of every field that nested values give.

    Raises:
        InvalidInputError: A field is unknown, or does not belong to the chosen part.
    """
    parts = _parts_of(content)
    for kind, place in PLACES.items():
        check_settings(kind, parts[kind], _section(content, place), place=place, source=source)
    yield from _leaves(content, configuration_type(parts), source=source)


def flat_fields(content: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """Values by field; see :func:`searched_fields`."""
    return {name: value for name, _, value in searched_fields(content, source=source)}


def leaves(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted name; a mapping that is a range, a choice or empty is a value."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value and not set(value) & set(KINDS):
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def nested_fields(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Values by field as nested sections."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, last = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return nested


def field_types(parts: Parts | None = None) -> dict[str, Any]:
    """The type of every field by its name; of all parts that come with this package, where None are chosen."""
    if parts is None:
        parts = {kind: any_of(kind, list(known_parts(kind))) for kind in PLACES}
    return _types(configuration_type(parts), "")


def any_of(kind: PartKind, names: list[str]) -> type[PartSettings]:
    """Settings with the fields of several parts, for trials whose parts differ."""
    merged: dict[str, tuple[str, Any, Any]] = {"name": ("name", str, field(default=names[0]))}
    for name in names:
        settings = settings_of(kind, name)
        hints = get_type_hints(settings)
        for each in fields(settings):
            if each.name not in merged:
                default = field(default=each.default, default_factory=each.default_factory)  # type: ignore[call-overload]
                merged[each.name] = (each.name, hints[each.name], default)
    return make_dataclass("Several", merged.values(), bases=(base_settings(kind),), kw_only=True)


def _parts_of(content: Mapping[str, Any]) -> dict[PartKind, type[PartSettings]]:
    parts = default_parts()
    for kind, place in PLACES.items():
        values = _section(content, place)
        name = values.get("name")
        if isinstance(name, Mapping) and isinstance(name.get("choice"), list) and name["choice"]:
            parts[kind] = any_of(kind, [str(each) for each in name["choice"]])
        elif (one := chosen_name(values)) is not None:
            parts[kind] = settings_of(kind, one)
    return parts


def _section(content: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    found: Any = content
    for name in place.split("."):
        found = found.get(name, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _types(section: Any, prefix: str) -> dict[str, Any]:
    types: dict[str, Any] = {}
    for name, hint in get_type_hints(section).items():
        if name in {each.name for each in fields(section)}:
            types |= _types(hint, f"{prefix}{name}.") if is_dataclass(hint) else {f"{prefix}{name}": hint}
    return types


def _leaves(
    content: Mapping[str, Any], section: type, *, source: str, prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    hints = get_type_hints(section)
    known = [each.name for each in fields(section)]
    for key, value in content.items():
        name = f"{prefix}{key}"
        if key not in known:
            raise unknown_name(f"field of {source}:", name, [f"{prefix}{each}" for each in known])
        if not is_dataclass(hints[key]):
            yield name, hints[key], value
        elif isinstance(value, Mapping):
            yield from _leaves(value, hints[key], source=source, prefix=f"{name}.")
        else:
            raise InvalidInputError(f"{name} is {value!r}, expected a section with fields.")
