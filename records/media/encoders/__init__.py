"""Encoders of media: one module each, found by looking into this folder.

A module defines ``Encoder``, a :class:`tf_metammf.records.media.encoding.media_encoder.MediaEncoder`, and imports
TensorFlow and other large packages only inside functions. An encoder of a user's own is given as
``package.module:Class``.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from tf_metammf.errors import InvalidInputError, one_line, unknown_name
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder


def encoder_names() -> list[str]:
    """Names of all encoders that come with the package, in alphabetical order, without importing them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def make_encoder(name: str, settings: Mapping[str, Any] | None = None, *, download: bool = False) -> MediaEncoder:
    """Makes an encoder.

    Args:
        name: One of :func:`encoder_names`, or ``package.module:Class``.
        settings: Fields of its ``Settings`` by name; the defaults for all others.
        download: Whether weights may be fetched from where their publisher keeps them.

    Returns:
        The encoder, its weights loaded.

    Raises:
        InvalidInputError: There is no such encoder or setting, or a setting or the weights are not acceptable.
    """
    kind = _encoder_class(name)
    values = kind.Settings(**_checked(name, kind.Settings, settings or {}))
    return kind(values, download=download)  # type: ignore[call-arg]


def _encoder_class(name: str) -> type[MediaEncoder]:
    if ":" not in name:
        if name not in encoder_names():
            raise unknown_name("encoder", name, encoder_names())
        return importlib.import_module(f"{__name__}.{name}").Encoder  # type: ignore[no-any-return]
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInputError(
            f'encoder "{name}": could not be imported ({one_line(error)}). Give package.module:Class of an installed '
            "module, or set PYTHONPATH."
        ) from error
    if not (isinstance(found, type) and issubclass(found, MediaEncoder)):
        raise InvalidInputError(
            f'encoder "{name}": is not a subclass of {MediaEncoder.__module__}.{MediaEncoder.__name__}. Extend it.'
        )
    return found


def _checked(name: str, kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, each known and of its type; whole numbers are taken for numbers, lists for tuples."""
    types, known = get_type_hints(kind), {field.name: field for field in fields(kind)}
    for setting in settings:
        if setting not in known:
            raise unknown_name(f"setting of the encoder {name}", setting, known)
    missing = [
        each
        for each, field in known.items()
        if each not in settings and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise InvalidInputError(f"encoder {name}: needs the setting {' and '.join(missing)}. Give it.")
    return {setting: _of_type(name, setting, value, types[setting]) for setting, value in settings.items()}


def _of_type(name: str, setting: str, value: Any, kind: Any) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(value, list):
        return tuple(value)
    plain = getattr(kind, "__origin__", kind)
    allowed = plain if isinstance(plain, type) else tuple(getattr(plain, "__args__", ()))
    if allowed and all(isinstance(each, type) for each in (allowed if isinstance(allowed, tuple) else (allowed,))):
        wrong = not isinstance(value, allowed) or (isinstance(value, bool) and allowed is not bool)
        if wrong:
            shown = getattr(kind, "__name__", str(kind))
            raise InvalidInputError(f"encoder {name}: {setting} is {value!r}, expected {shown}.")
    return value
