"""Every model with the same number of trials on one record set, LATTICE and InvRL among them.

    python -m benchmarks.equal_trials --records DIR --output FOLDER [--models gcn,mmhcl,...] [--trials 4] [--seeds 1]
                                      [--epochs 40] [--patience 5]

A comparison of ``tf-metammf compare --tuner random``: each model is its preset, with the same ranges for the same
fields (:data:`TRAINED`, :data:`SOLVED`), the same trials on validation, the same epochs at most and the same patience.
The best settings of each are trained with every seed and tested once. Over several record sets, ``tf-metammf ranks``
says how far they agree. A comparison that was interrupted goes on. Writes ``results/equal_trials-NAME.json``, with NAME
that of the record set.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.model_files import merged, written
from benchmarks.report import print_table, write_report
from tf_metammf.trainer.configuration.configuration_files import read_configuration

RATE, PENALTY = {"log_range": [5e-4, 5e-3]}, {"log_range": [1e-8, 1e-3]}
WITH_SOFTMAX = {"training": {"learning_rate": RATE}, "objective": {"temperature": {"log_range": [0.1, 0.4]}}}
WITH_BPR = {"training": {"learning_rate": RATE}, "model": {"l2": PENALTY}}
TRAINED: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("gcn", "wide", "default", "cold-start", "lightgcn-softmax"), WITH_SOFTMAX),
    **dict.fromkeys(("mmhcl", "mgcn", "smore", "lgmrec", "freedom", "lattice", "invrl", "bm3", "vbpr"), WITH_BPR),
}
"""Two ranges for each trained model: its learning rate, and its temperature or L2 penalty."""

NEIGHBOURS = {"neighbours": {"choice": [10, 20, 50, 100]}}
SOLVED: dict[str, dict[str, Any]] = {
    "ease": {"l2": {"log_range": [10.0, 2000.0]}},
    "ials": {"l2": {"log_range": [1e-3, 1.0]}, "unobserved_weight": {"log_range": [0.01, 1.0]}},
    "item-knn": {**NEIGHBOURS, "shrinkage": {"choice": [0.0, 10.0, 100.0]}},
    "item-knn-content": NEIGHBOURS,
}
"""Ranges of the encoder of what is solved or counted; popularity has none."""

KEPT = ("validation", "seconds", "epochs", "parameters", "searched", "p_value", "p_holm")

SHOWN = ("recall@20", "ndcg@20", "cold/recall@20")


def main() -> None:
    """Compares, prints the table and writes ``results/equal_trials-NAME.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="Where the comparison is kept.")
    parser.add_argument("--models", default=",".join([*TRAINED, *SOLVED, "popularity"]))
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--patience", type=int, default=5)
    arguments = parser.parse_args()
    settings = arguments.output.with_name(f"{arguments.output.name}-settings")
    settings.mkdir(parents=True, exist_ok=True)
    names = arguments.models.split(",")
    bounds = {"epochs": arguments.epochs, "patience": arguments.patience}
    models = written(settings, "", {name: searched(name, **bounds) for name in names if name != "popularity"})
    models += ["popularity"] if "popularity" in names else []
    words = ["--records", arguments.records, "--output", arguments.output, "--models", ",".join(models)]
    words += ["--tuner", "random", "--trials", arguments.trials, "--seeds", arguments.seeds]
    words += ["--reference", "gcn"] if "gcn" in names else []
    command = [sys.executable, "-m", "tf_metammf.commands.main", "compare", *map(str, words)]
    subprocess.run(command, check=True)
    results = json.loads((arguments.output / "results.json").read_text(encoding="utf-8"))
    rows = []
    for name, found in results["models"].items():
        cells = [found["metrics"].get(metric, {"mean": None}) for metric in SHOWN]
        rows.append([name, *("-" if cell["mean"] is None else cell["mean"] for cell in cells)])
    print_table(f"{arguments.records.name}, test split, after {arguments.trials} trials each", ["", *SHOWN], rows)
    bounds |= {
        "trials": arguments.trials,
        "seeds": results["seeds"],
        "reference": "gcn" if "gcn" in names else names[0],
    }
    models_found = {name: kept(found) for name, found in results["models"].items()}
    write_report(f"equal_trials-{arguments.records.name}", {**bounds, "models": models_found})


def kept(found: dict[str, Any]) -> dict[str, Any]:
    """What is kept of the results of a model: metrics at 20, what was searched and took how long, and p-values."""
    metrics = {name: values for name, values in found["metrics"].items() if name.endswith("@20")}
    return {"metrics": metrics, **{name: found.get(name) for name in KEPT}}


def searched(name: str, *, epochs: int, patience: int) -> dict[str, Any]:
    """The preset of a model with its ranges."""
    if name in SOLVED:
        return merged(read_configuration(name), {"model": {"encoder": SOLVED[name]}})
    bounds = {"training": {"epochs": epochs, "patience": patience}}
    return merged(merged(read_configuration(name), TRAINED[name]), bounds)


if __name__ == "__main__":
    main()
