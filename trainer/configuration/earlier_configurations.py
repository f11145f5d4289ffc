"""Configurations of version 0.1, in which all encoders shared their settings, brought into today's shape.

There ``model.encoder`` was a name, ``model.graph`` had the settings of every encoder that propagates and ``model.peer``
those of every peer, and fusions and objectives had the settings of all others of their kind.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tf_metammf.parts.parts import PartKind, known_parts, owners_of, setting_names
from tf_metammf.trainer.configuration.sections import PLACES

_SECTIONS = ("graph", "peer")
_OTHERS: tuple[PartKind, PartKind] = ("fusion", "objective")


def modernized(content: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """The same configuration or search space in today's shape; one that has it already keeps it.

    Settings of version 0.1 that the chosen part does not have changed nothing there, and are left out. A part that is
    given by its name alone becomes a section.

    Args:
        content: Nested plain values, as a file has them.
        partial: Whether they are put over others, so that an encoder that is not named is not the default one.
    """
    model = content.get("model", {})
    if not isinstance(model, Mapping) or not _may_be_earlier(model):
        return _with_sections(content)
    sections = [section for section in _SECTIONS if isinstance(model.get(section), Mapping)]
    shared = {key: value for section in sections for key, value in model[section].items()}
    rest = {key: value for key, value in model.items() if key not in ("encoder", *_SECTIONS)}
    result = {**content, "model": rest} if "model" in content else dict(content)
    if "encoder" in model or shared:
        named = {"name": model["encoder"]} if "encoder" in model else {} if partial else {"name": "mf"}
        rest["encoder"] = _own("encoder", {**named, **shared})
    for values, kind in zip((rest, result), _OTHERS, strict=True):
        if isinstance(values.get(kind), Mapping):
            values[kind] = _own(kind, values[kind])
    return _with_sections(result)


def modernized_words(words: Sequence[str]) -> list[str]:
    """Options of version 0.1 on a command line, by today's names."""
    words = [re.sub(r"^--model\.(graph|peer)\.", "--model.encoder.", word) for word in words]
    return [re.sub(r"^--model\.encoder(?==|$)", "--model.encoder.name", word) for word in words]


def modernized_name(name: str) -> str:
    """Today's name of a field, such as ``"model.encoder.layers"`` for ``"model.graph.layers"``."""
    return modernized_words([f"--{name}"])[0].removeprefix("--")


def _may_be_earlier(model: Mapping[str, Any]) -> bool:
    """Whether the encoder is given as version 0.1 did, or not at all, which looks the same in both."""
    encoder = model.get("encoder")
    is_choice = isinstance(encoder, Mapping) and set(encoder) == {"choice"}
    return encoder is None or isinstance(encoder, str) or is_choice or any(section in model for section in _SECTIONS)


def _with_sections(content: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(content)
    for place in PLACES.values():
        section, _, part = place.rpartition(".")
        values = result.get(section) if section else result
        if isinstance(values, Mapping) and isinstance(values.get(part), str):
            named = {**values, part: {"name": values[part]}}
            result = {**result, section: named} if section else named
    return result


def _own(kind: PartKind, values: Mapping[str, Any]) -> dict[str, Any]:
    """Without the settings of other parts; those of no part are kept, for whoever reads them to refuse."""
    name = values.get("name")
    chosen = name.get("choice", []) if isinstance(name, Mapping) else [name]
    known = known_parts(kind)
    own = {field for each in chosen if each in known for field in setting_names(known[each])}
    if not any(each in known for each in chosen):
        return dict(values)
    return {key: value for key, value in values.items() if key == "name" or key in own or not owners_of(kind, key)}
