"""Dynamic fusion, dynamic fusion that begins as static, and static fusion on several record sets, pooled.

    python -m benchmarks.pooled_fusions --records RECORD_SET [--records RECORD_SET ...] [--seeds 3] [--output FOLDER]

The preset ``default`` as it is (``dynamic``), with generated kernels that begin as zero, normalised meta information
and a penalty on what generates kernels (``static start``), and with static fusion of the same widths
(``static``). Every set is a ``tf-metammf compare``: weights are chosen on validation, the test split is evaluated
once. NDCG@20 of every user gives the difference of two models on a set, with its p-value over users and seeds
(:mod:`tf_metammf.trainer.comparison.significance`). Over sets they are pooled twice: Stouffer's mean of the z-scores,
which asks whether there is a difference anywhere, and a mean with random effects of the sets (DerSimonian and
Laird, Controlled Clinical Trials 7, 1986), which asks for that of another set. Synthetic record sets, whose names begin
with ``--synthetic``, are shown, and left out of the second pool.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml

from benchmarks.report import print_table, write_report
from tf_metammf.trainer.comparison.significance import CONFIDENCE, Difference, difference

STATIC_START = {"name": "metammf", "start": "static", "normalize_meta": True, "generated_l2": 1e-3}
"""Of ``static start``; the penalty was chosen on validation of the synthetic videos."""

METRIC = "ndcg@20"
NAMES = {"default": "dynamic", "static-start": "static start", "default+concatenation": "static"}
PAIRS = (
    ("default", "default+concatenation"),
    ("static-start", "default+concatenation"),
    ("static-start", "default"),
)

_NORMAL = NormalDist()


def main() -> None:
    """Compares on every set, prints the tables and writes ``results/pooled_fusions.json``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=Path, action="append", required=True, help="A record set; give several.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="Where to keep the comparisons; nowhere by default.")
    parser.add_argument("--synthetic", default="videos", help="What the names of synthetic sets begin with.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        compared = {records.name: _compared(records, folder, arguments.seeds) for records in arguments.records}
    real = [name for name in compared if not name.startswith(arguments.synthetic)]
    results = {}
    for model, reference in PAIRS:
        found = {name: difference(values[model], values[reference]) for name, values in compared.items()}
        pools = {"all sets": pooled(list(found.values())), "real sets": pooled([found[name] for name in real])}
        title = f"{NAMES[model]} - {NAMES[reference]}, {METRIC}, test"
        print_table(
            title,
            ["set", "seeds", "users", "difference", "low", "high", "p"],
            [
                [name, each.seeds, each.users, each.mean, each.low, each.high, each.p_value]
                for name, each in found.items()
            ],
        )
        print_table("pooled", ["", *pools["all sets"]], [[name, *pool.values()] for name, pool in pools.items()])
        results[title] = {"sets": {name: asdict(each) for name, each in found.items()}, "pooled": pools}
    means = {
        name: {NAMES[model]: float(np.nanmean(each)) for model, each in values.items()}
        for name, values in compared.items()
    }
    write_report("pooled_fusions", {"settings": STATIC_START, "means": means, "differences": results})


def pooled(differences: Sequence[Difference]) -> dict[str, float]:
    """Stouffer's z and p, and the mean over sets with random effects, its interval and p.

    Args:
        differences: One a set; those without an interval are left out.
    """
    half = _NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    usable = [each for each in differences if each.low is not None and each.high is not None and each.p_value]
    scores = [math.copysign(_NORMAL.inv_cdf(each.p_value / 2), each.mean) for each in usable if each.p_value]
    stouffer = sum(scores) / math.sqrt(len(scores))
    means = np.array([each.mean for each in usable])
    variances = np.array([((each.high or 0) - (each.low or 0)) / (2 * half) for each in usable]) ** 2
    weights = 1 / variances
    fixed = float((weights * means).sum() / weights.sum())
    spread = float((weights * (means - fixed) ** 2).sum()) - (len(means) - 1)
    between = max(0.0, spread / float(weights.sum() - (weights**2).sum() / weights.sum())) if len(means) > 1 else 0.0
    weights = 1 / (variances + between)
    mean, deviation = float((weights * means).sum() / weights.sum()), float(weights.sum() ** -0.5)
    return {
        "Stouffer z": stouffer,
        "Stouffer p": _two_sided(stouffer),
        "mean": mean,
        "low": mean - half * deviation,
        "high": mean + half * deviation,
        "p": _two_sided(mean / deviation),
    }


def _two_sided(score: float) -> float:
    return 2 * _NORMAL.cdf(-abs(score))


def _compared(records: Path, folder: Path, seeds: int) -> dict[str, Any]:
    """NDCG of every user ``[seeds, users]`` by model."""
    configuration, output = folder / "static-start.yaml", folder / records.name
    configuration.write_text(yaml.safe_dump({"model": {"fusion": STATIC_START}}), encoding="utf-8")
    models = f"default,default+concatenation,static-start={configuration}"
    words = ["compare", "--records", records, "--models", models, "--seeds", seeds, "--output", output, "--quiet"]
    subprocess.run([sys.executable, "-m", "tf_metammf.commands.main", *map(str, words)], check=True)
    order = json.loads((output / "results.json").read_text(encoding="utf-8"))["order"]
    table = pq.read_table(output / "users.parquet", columns=["model", "seed", "user", METRIC]).to_pydict()
    seed_place = {seed: place for place, seed in enumerate(sorted(set(table["seed"])))}
    user_place = {user: place for place, user in enumerate(sorted(set(table["user"])))}
    found = {model: np.full((len(seed_place), len(user_place)), np.nan) for model in order}
    for model, seed, user, value in zip(*table.values(), strict=True):
        found[model][seed_place[seed], user_place[user]] = value
    return found


if __name__ == "__main__":
    main()
