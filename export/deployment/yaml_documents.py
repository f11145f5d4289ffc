"""YAML as people write it by hand."""

from collections.abc import Mapping
from typing import Any

import yaml


def yaml_text(comment: str, *documents: Mapping[str, Any]) -> str:
    """Documents as YAML, keys in the order given, text of several lines as a block.

    Args:
        comment: The first line, or lines.
        documents: At least one.
    """
    texts = [yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120) for document in documents]
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + "---\n".join(texts)


class _Dumper(yaml.SafeDumper):
    """Repeats values instead of writing aliases, and writes text of several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
