"""Logs of a small platform that grow by a day, and the first night on them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_metammf.export.nightly.nightly import run_night
from tf_metammf.export.nightly.settings import GateSettings, NightlySettings
from tf_metammf.trainer.configuration.configuration import Configuration

USERS, ITEMS, K = 30, 24, 5
DAY = 86_400


def write_logs(folder: Path, *, days: int) -> Path:
    """Six interactions of every user a day, of all days so far, and features of the items."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(4)
    features = random.normal(size=(ITEMS + days, 3))
    lines = ["user,item,time"]
    for day in range(days):
        of_day = np.random.default_rng([4, day])
        for user in range(USERS + day):
            for item in of_day.choice(ITEMS + day, 6, replace=False):
                lines.append(f"u{user},v{item},{1_700_000_000 + day * DAY + of_day.integers(DAY)}")
    (folder / "interactions.csv").write_text("\n".join(lines) + "\n")
    rows = [f"v{item}," + ",".join(f"{value:.3f}" for value in row) for item, row in enumerate(features)]
    (folder / "visual_features.csv").write_text("\n".join(["item,a,b,c", *rows]) + "\n")
    return folder


@dataclass(frozen=True)
class Place:
    """Where nights work."""

    folder: Path
    settings: NightlySettings

    @property
    def nights(self) -> Path:
        return self.folder / "nights"

    @property
    def served(self) -> Path:
        return self.folder / "served"

    def run(self, **changes: Any) -> dict[str, Any]:
        return run_night(self.nights, self.served, replace(self.settings, **changes), verbose=0)

    def grow(self, *, days: int) -> None:
        write_logs(self.settings.path, days=days)


CONFIGURATION = {
    "model": {"fusion": "none", "id_units": 4},
    "training": {"epochs": 1, "batch_size": 64, "deterministic": True},
    "evaluation": {"k": [K], "monitor": f"ndcg@{K}"},
}


def place_at(folder: Path) -> Place:
    settings = NightlySettings(
        "tabular",
        write_logs(folder / "logs", days=2),
        configuration=Configuration.from_mapping(CONFIGURATION),
        gate=GateSettings(k=K, worse=0.9, coverage=0.1, latency=100),
        keep=2,
    )
    return Place(folder, settings)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> tuple[Place, dict[str, Any]]:
    """A place after its first night, and the report."""
    place = place_at(tmp_path_factory.mktemp("nightly"))
    return place, place.run()
