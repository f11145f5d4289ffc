"""YAML files that a user writes: read whole, refused where they are empty or say a thing twice."""

from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from tf_metammf.errors import InvalidInputError


class UniqueKeyLoader(yaml.SafeLoader):
    """Loads plain values; of a key that is given twice, YAML's own loader would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node.

        Raises:
            yaml.constructor.ConstructorError: A key is there twice.
        """
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # which is refused by what comes next
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f'"{key}" is given twice', key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        InvalidInputError: The file cannot be read, is empty, gives a key twice or holds something else.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8-sig"), Loader=UniqueKeyLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InvalidInputError(f"{file}: cannot be read as a configuration ({_reason(error)}).") from error
    if content is None:
        raise InvalidInputError(f"{file}: is empty, expected sections such as model and training.")
    if not isinstance(content, dict):
        raise InvalidInputError(f"{file}: is not a configuration; expected sections such as model and training.")
    return content


def require_sections(content: Mapping[str, Any], kind: type, *, source: str) -> None:
    """Refuses a section that is no mapping.

    Args:
        content: Nested plain values.
        kind: The dataclass they are for; its fields that are dataclasses are sections.
        source: Where they come from, for the message.

    Raises:
        InvalidInputError: A section holds nothing, or a single value.
    """
    for field in fields(kind):
        if not is_dataclass(field.type) or field.name not in content:
            continue
        section = content[field.name]
        if not isinstance(section, Mapping):
            found = "is empty" if section is None else f"is {section}"
            raise InvalidInputError(f"{source}: {field.name} {found}, expected a section with fields.")
        require_sections(section, cast(type, field.type), source=f"{source}: {field.name}")


def _reason(error: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())
