"""The configuration of a training run, from Python values, a YAML file or a preset. No TensorFlow is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from tf_metammf.trainer.configuration.configuration_files import configuration_file, read_configuration
from tf_metammf.trainer.configuration.configuration_parser import parsed_sections
from tf_metammf.trainer.configuration.sections import ModelConfiguration, Sections


@dataclass
class Configuration(Sections):
    """Everything a training run depends on besides its record set.

    Attributes:
        model: Towers, encoder and score.
        objective: What is minimised.
        training: How it is minimised.
        evaluation: How it is judged.
    """

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], *, source: str = "configuration") -> Self:
        """A configuration from nested plain values; what is left out keeps its default.

        Args:
            content: The values. A part is a mapping with its ``name`` and settings, or its name alone.
            source: Where they come from, for messages.

        Raises:
            InvalidInputError: A section or field is unknown, does not belong to the chosen part, or has a value of
                the wrong type.
        """
        return cls.from_sections(parsed_sections(content, source=source))

    @classmethod
    def from_sections(cls, sections: Mapping[str, Any]) -> Self:
        """The configuration of sections as the parser makes them, whose types follow from the chosen parts.

        Args:
            sections: Each section by its name; other entries are left aside.
        """
        values = {each.name: sections[each.name] for each in fields(cls)}
        model = values["model"]
        values["model"] = ModelConfiguration(
            **{each.name: getattr(model, each.name) for each in fields(ModelConfiguration)}
        )
        return cls(**values)


def load_configuration(path: str | Path) -> Configuration:
    """Reads a configuration from a YAML file, or a preset by its name.

    Raises:
        InvalidInputError: The file cannot be read or is not a configuration.
    """
    return Configuration.from_mapping(read_configuration(path), source=str(configuration_file(str(path))))
