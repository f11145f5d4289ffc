"""Parts of a model (fusion, encoder, objective, auxiliary loss), known by their settings before TensorFlow is loaded.

The settings of a part are a dataclass beside it. Its fields are what a user may set, with types, defaults and
documentation; its class attributes are what the trainer has to know: where the layer is, which graph it needs, what it
looks at, what is searched. Everything that has to know of parts reads it there: configuration, command line, search,
ablations, memory estimate and refusals.

A part is chosen by its name, or as ``"package.module:Class"`` by the class of a user's own, whose settings are its
class attribute ``Settings`` or else the arguments of its constructor that have defaults.
"""

import inspect
import sys
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_type_hints, overload

from tf_metammf.errors import InvalidInputError, UnknownPartError, unknown_name

if TYPE_CHECKING:
    from tf_metammf.encoders.settings import EncoderSettings

PartKind = Literal["fusion", "encoder", "objective", "auxiliary"]

Searched = Mapping[str, Mapping[str, Any]]
"""Ranges and choices by field, as a search space has them."""

MODULES: dict[PartKind, tuple[str, ...]] = {
    "fusion": ("tf_metammf.fusion.settings", "tf_metammf.fusion.token_settings"),
    "encoder": (
        "tf_metammf.encoders.settings",
        "tf_metammf.encoders.peer_settings",
        "tf_metammf.encoders.contrastive_peer_settings",
        "tf_metammf.baselines.settings",
    ),
    "objective": ("tf_metammf.objectives.settings",),
    "auxiliary": ("tf_metammf.auxiliary.settings",),
}
"""Modules with the settings of all parts of a kind that come with this package; the first has their base class."""


@dataclass
class PartSettings:
    """Settings of a part.

    Attributes:
        name: The name of the part.
    """

    name: str

    kind: ClassVar[PartKind]
    layer: ClassVar[str] = ""
    """Where the layer is, ``"module:Class"``; empty where there is none."""
    declared_by_layer: ClassVar[tuple[str, ...]] = ()
    """Class attributes that the class of a user's own states for its settings."""
    not_for_layer: ClassVar[frozenset[str]] = frozenset()
    """Fields that are read by the trainer and are no arguments of the layer."""
    lower_bounds: ClassVar[Mapping[str, float]] = {}
    """The least value of fields that have one."""
    above_zero: ClassVar[frozenset[str]] = frozenset()
    """Fields that have to be above 0."""
    searched: ClassVar[Searched] = {}
    """Ranges and choices of fields that :func:`tf_metammf.trainer.tune` searches unless told otherwise."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the layer's constructor."""
        left_out = {"name", *self.not_for_layer}
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in left_out}

    @property
    def searched_fields(self) -> Searched:
        """What is searched with these settings."""
        return self.searched

    @classmethod
    def layer_class(cls) -> type:
        """The class of the layer; loads TensorFlow."""
        return _loaded(cls.kind, cls.layer)


@overload
def known_parts(kind: Literal["encoder"]) -> "dict[str, type[EncoderSettings]]": ...
@overload
def known_parts(kind: PartKind) -> dict[str, type[PartSettings]]: ...
def known_parts(kind: PartKind) -> Any:
    """The settings of every part of a kind that comes with this package, by name."""
    values = [value for module in MODULES[kind] for value in vars(import_module(module)).values()]
    found = [value for value in values if inspect.isclass(value) and issubclass(value, PartSettings)]
    return dict(sorted((name, value) for value in found if (name := part_name(value)) is not None))


def part_name(settings: type[PartSettings]) -> str | None:
    """The name of a part; None for settings that several parts extend."""
    default = next(each.default for each in fields(settings) if each.name == "name")
    return None if default is MISSING else str(default)


def setting_names(settings: type[PartSettings]) -> set[str]:
    """Names of the fields of a part."""
    return {each.name for each in fields(settings)}


def base_settings(kind: PartKind) -> type[PartSettings]:
    """What the settings of every part of a kind extend."""
    base: type[PartSettings] = import_module(MODULES[kind][0]).BASE
    return base


def settings_of(kind: PartKind, name: str) -> type[PartSettings]:
    """The settings of a part.

    Args:
        kind: What it is.
        name: The name of a part that comes with this package, or ``"package.module:Class"``.

    Raises:
        InvalidInputError: There is no such part, or the class cannot be loaded or is none.
    """
    if ":" in name:
        return _settings_of_class(kind, name)
    known = known_parts(kind)
    if name not in known:
        raise UnknownPartError(str(unknown_name(kind, name, known)))
    return known[name]


def owners_of(kind: PartKind, option: str) -> list[str]:
    """Names of the parts of a kind that have a setting of that name."""
    return [name for name, settings in known_parts(kind).items() if option in setting_names(settings)]


@cache
def _settings_of_class(kind: PartKind, name: str) -> type[PartSettings]:
    given = _loaded(kind, name)
    base = base_settings(kind)
    declared = getattr(given, "Settings", None)
    if declared is not None and not (inspect.isclass(declared) and issubclass(declared, base)):
        raise InvalidInputError(
            f"{name}: its Settings are {declared!r}, expected a dataclass that extends {base.__module__}."
            f"{base.__name__}."
        )
    declared = None if declared is base else declared  # what the base class of layers says of all of them
    settings = declared or base
    own: list[tuple[str, Any, Any]] = [("name", str, field(default=name))]
    if declared is None:
        own += _constructor_fields(given)
    for argument, _, _ in own[1:]:
        if hasattr(settings, argument):
            raise InvalidInputError(
                f'{name}: its constructor has an argument "{argument}", which settings of a {kind} use for something '
                "else. Call it otherwise."
            )
    documentation = settings.__doc__ if declared else _documentation(given)
    stated = {each: getattr(given, each) for each in base.declared_by_layer if hasattr(given, each)}
    namespace = {**stated, "layer": name, "__doc__": documentation, "__module__": given.__module__}
    return make_dataclass(f"{given.__name__}Settings", own, bases=(settings,), namespace=namespace, kw_only=True)


def _loaded(kind: str, name: str) -> type:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:  # as "python -m" has it, so that a file beside the data can be named
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInputError(
            f'{kind} "{name}": cannot be loaded ({error}). Expected "package.module:Class" of a module that Python '
            "finds."
        ) from error
    finally:
        if added:
            sys.path.remove(here)
    if not inspect.isclass(found):
        raise InvalidInputError(f'{kind} "{name}": is {found!r}, expected a class.')
    return found


def _constructor_fields(given: type) -> Iterable[tuple[str, Any, Any]]:
    """Name, type and default of the arguments of a constructor that have a default."""
    hints = get_type_hints(vars(given).get("__init__", given))
    for name, parameter in inspect.signature(given).parameters.items():
        if parameter.default is not parameter.empty and name not in ("name", "dtype", "trainable"):
            default = parameter.default
            hint = hints.get(name, Any if default is None else type(default))
            yield name, hint, field(default_factory=partial(copy, default))


def _documentation(given: type) -> str:
    """The documentation of a class, its arguments under the heading that those of settings have."""
    return (given.__doc__ or given.__name__).replace("Args:", "Attributes:")
