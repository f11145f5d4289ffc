"""Settings of a nightly training: the data, the model, the gate, and what is kept."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.trainer.configuration.configuration import Configuration


@dataclass(frozen=True)
class GateSettings:
    """When a new version may replace the live one.

    Both are measured on the same users of the same split.

    Attributes:
        metric: ndcg or recall, at k.
        k: Items that are recommended to a user.
        split: Split whose interactions are to be found: test, or validation.
        users: Users to measure at most, the same ones for both versions.
        worse: Share of the live version's metric that the new one may be below it.
        coverage: Least catalogue coverage of the new version, as a share of that of the live one.
        latency: Largest median time of a request, as a multiple of that of the live one; 1 ms more is always allowed.
        latency_ms: Largest median time of a request in milliseconds, or null for no such bound.
    """

    metric: Literal["ndcg", "recall"] = "ndcg"
    k: int = 20
    split: Literal["test", "validation"] = "test"
    users: int = 10_000
    worse: float = 0.02
    coverage: float = 0.8
    latency: float = 2.0
    latency_ms: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("users", 1)):
            if (value := getattr(self, name)) < least:
                raise InvalidInputError(f"gate.{name} is {value}, expected at least {least}.")
        if not 0 <= self.worse < 1:
            raise InvalidInputError(f"gate.worse is {self.worse}, expected a share of at least 0 and below 1.")
        if not 0 <= self.coverage <= 1:
            raise InvalidInputError(f"gate.coverage is {self.coverage}, expected a share from 0 to 1.")
        for name in ("latency", "latency_ms"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInputError(f"gate.{name} is {value}, expected a number above 0.")


@dataclass(frozen=True)
class NightlySettings:
    """What a night does.

    Attributes:
        source: Name of the source that reads the raw data.
        path: The raw data: all that is to be trained on, earlier nights' included.
        conversion: How it is converted; ``splitting.like`` is set from the second night on.
        configuration: What is trained; ``training.init_from`` is set where there is a run to begin from.
        gate: When a new version is published.
        keep: Versions to keep, and nights whose record sets and runs are kept. Defaults to 5.
        init_from: A run that the first night begins from; None to begin from nothing.

    Raises:
        InvalidInputError: ``keep`` is below 2, or a setting is one that nights set themselves.
    """

    source: str
    path: str | Path
    conversion: ConversionSettings = field(default_factory=ConversionSettings)
    configuration: Configuration = field(default_factory=Configuration)
    gate: GateSettings = field(default_factory=GateSettings)
    keep: int = 5
    init_from: str | Path | None = None

    def __post_init__(self) -> None:
        if self.keep < 2:
            raise InvalidInputError(f"keep is {self.keep}, expected at least 2: one to serve and one to roll back to.")
        if self.conversion.splitting.like is not None:
            raise InvalidInputError("splitting.like is set by each night to the night before. Leave it out.")
        if self.configuration.training.init_from is not None:
            raise InvalidInputError("training.init_from is set by each night. Give init_from for the first one.")

    @property
    def digest(self) -> str:
        """One number for all that a night's record set and run depend on, besides the data."""
        content: dict[str, Any] = {
            "source": self.source,
            "conversion": asdict(self.conversion),
            "configuration": asdict(self.configuration),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
