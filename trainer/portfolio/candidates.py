"""What is raced: presets that are the best somewhere, for the data at hand."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tf_metammf.baselines.settings import EASESettings, ItemKNNSettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.records.metadata import Metadata
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.configuration_files import read_configuration
from tf_metammf.trainer.runs.references import PATIENT_STEPS

UNTRAINED = ("popularity", "item-knn", "item-knn-content", "ials", "ease")
"""Presets that are counted or solved, without gradients."""

WITH_CONTENT = ("wide", "cold-start", "lightgcn-softmax", "lightgcn", "gcn")
"""Trained presets where items have features, those that take least time first."""

WITHOUT_CONTENT = ("mf-softmax", "lightgcn-softmax", "lightgcn")
"""Trained presets where they have none."""

EASE_BUDGET_GB = 1.2
"""Matrices of about 10,000 users or items, which are inverted in one or two minutes; larger ones are left out."""

COMPARED_ITEMS = 100_000
"""Items of which neighbours are raced: all pairs are compared, which takes a few minutes for so many."""

LEAST_STEPS = 1000
"""Steps that all epochs of a training have together at least, if it does not stop early."""


@dataclass(frozen=True)
class Candidate:
    """One of the settings that are raced.

    Attributes:
        name: Of the preset.
        configuration: All of its settings; what can be calibrated is.
    """

    name: str
    configuration: Configuration

    @property
    def is_trained(self) -> bool:
        """Whether anything is trained."""
        return not self.configuration.model.is_baseline

    @property
    def serves_newcomers(self) -> bool:
        """Whether it is trained and looks at content, so that new items, and cold ones, are recommended."""
        return self.is_trained and self.configuration.model.uses_features

    def left_out(self, metadata: Metadata) -> str | None:
        """Why it would take too long to solve on a record set; None where it does not."""
        if isinstance(self.configuration.model.encoder, ItemKNNSettings) and metadata.items > COMPARED_ITEMS:
            return f"compares all pairs of {metadata.items:,} items, which is raced up to {COMPARED_ITEMS:,}"
        return None


def candidates(metadata: Metadata, overrides: Mapping[str, Any]) -> list[Candidate]:
    """The presets that are raced on a record set.

    Args:
        metadata: Of the record set.
        overrides: Values of the sections ``training`` and ``evaluation``, for all of them.

    Raises:
        InvalidInputError: Another section is given, the cut-off of the monitored metric is not in evaluation.k, or the
            training would be spread over processes.
    """
    for section in overrides:
        if section not in ("training", "evaluation"):
            raise InvalidInputError(
                f"{section} is chosen by the race. Choose a preset, such as default, to set it yourself."
            )
    given = Configuration.from_mapping({key: dict(values) for key, values in overrides.items()})
    evaluation, strategy = given.evaluation, given.training.strategy
    if strategy in ("multi_worker", "parameter_server"):
        raise InvalidInputError(
            f"training.strategy is {strategy}, but a race of presets runs in one process. Use none or mirrored, or "
            "choose a preset, such as default."
        )
    if (cutoff := MetricName.parse(evaluation.monitor).k) not in evaluation.k:
        raise InvalidInputError(
            f"evaluation.k is {evaluation.k}, without {cutoff}, and candidates are compared by {evaluation.monitor}. "
            f"Add {cutoff}."
        )
    names = [name for name in UNTRAINED if metadata.modalities or name != "item-knn-content"]
    names += WITH_CONTENT if metadata.modalities else WITHOUT_CONTENT
    return [preset_candidate(name, metadata, overrides) for name in names]


def preset_candidate(name: str, metadata: Metadata, overrides: Mapping[str, Any]) -> Candidate:
    """A preset as it is raced: where an epoch has few steps, with more epochs and more patience than it has.

    Args:
        name: Of the preset.
        metadata: Of the record set.
        overrides: As :func:`candidates` takes them; epochs and patience that are given stay.
    """
    configuration = _configuration(name, overrides)
    if not configuration.model.is_baseline:
        training, given = configuration.training, overrides.get("training", {})
        steps = max(metadata.splits["train"].interactions / training.batch_size, 1)
        if "epochs" not in given:
            training.epochs = max(training.epochs, math.ceil(LEAST_STEPS / steps))
        if "patience" not in given and training.patience:
            training.patience = max(training.patience, math.ceil(PATIENT_STEPS / steps))
    return Candidate(name, configuration)


def _configuration(name: str, overrides: Mapping[str, Any]) -> Configuration:
    content = read_configuration(name)
    sections: dict[str, dict[str, Any]] = {key: dict(values) for key, values in content.items()}
    for section, values in overrides.items():
        sections[section] = {**sections.get(section, {}), **values}
    configuration = Configuration.from_mapping(sections, source=name)
    if isinstance(configuration.model.encoder, EASESettings):
        configuration.model.encoder.budget_gb = EASE_BUDGET_GB
    if configuration.model.is_baseline:
        configuration.training.strategy = "none"  # nothing is trained that replicas could share
    if configuration.model.encoder.can_calibrate:
        configuration.model.calibration = "validation"
    return configuration
