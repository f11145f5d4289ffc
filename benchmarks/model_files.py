"""Configuration files of models that ``tf-metammf compare`` takes, made from presets and changes."""

from pathlib import Path
from typing import Any

import yaml


def written(folder: Path, prefix: str, models: dict[str, dict[str, Any]]) -> list[str]:
    """Writes the configuration of every model; what ``--models`` calls them."""
    words = []
    for name, content in models.items():
        file = folder / f"{prefix}{name}.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        words.append(f"{name}={file}")
    return words


def merged(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The content with the changes in it, section by section."""
    both = {
        key: merged(content[key], changes[key])
        for key in content.keys() & changes.keys()
        if isinstance(content[key], dict) and isinstance(changes[key], dict)
    }
    return content | changes | both
