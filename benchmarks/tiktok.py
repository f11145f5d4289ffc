"""TikTok from raw files to test metrics, several seeds: what `default` reaches.

    python -m benchmarks.tiktok --input FOLDER_WITH_TIKTOK_INTER [--config default] [--seeds 3]
        [--name NAME] [OPTION_OF_TRAIN ...]

Every seed is a separate process, through the command line; options of ``tf-metammf train`` are handed on, and
``--name`` says what to call what they make of the configuration. Settings were chosen on the
validation split; the test split is evaluated once, at the end of each run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import print_table, write_report

PUBLISHED = {
    "MF-BPR": (0.0346, 0.0130),
    "VBPR": (0.0380, 0.0134),
    "LightGCN": (0.0653, 0.0282),
    "MMGCN": (0.0730, 0.0307),
    "BM3": (0.0957, 0.0404),
    "DiffMM": (0.1129, 0.0456),
    "MMHCL": (0.1139, 0.0492),
}
"""Recall@20 and NDCG@20 on this split with a third modality (DiffMM, ACM MM 2024, table 1; MMHCL, TOMM 2025)."""


def main() -> None:
    """Converts once, trains once a seed, prints the table and writes ``results/tiktok-CONFIG.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", type=Path, required=True, help="Folder with tiktok.inter and *_feat.npy.")
    parser.add_argument("--config", default="default", help="A preset or a YAML file.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--name", help="Of the results; by default that of the configuration.")
    arguments, options = parser.parse_known_args()
    name = arguments.name or Path(arguments.config).stem
    with tempfile.TemporaryDirectory() as scratch:
        records = Path(scratch) / "records"
        _command("records", "convert", "--source", "mmrec", "--input", str(arguments.input), "--output", str(records))
        runs = [_train(records, Path(scratch), [arguments.config, *options], seed) for seed in range(arguments.seeds)]
    rows = [[run[column] for column in ("seed", "recall@20", "ndcg@20", "seconds", "peak_memory_mb")] for run in runs]
    summary = {
        metric: {"mean": statistics.mean(values), "deviation": statistics.stdev(values) if len(values) > 1 else 0.0}
        for metric in ("recall@20", "ndcg@20")
        for values in [[run[metric] for run in runs]]
    }
    print_table(f"TikTok, test split, {name}", ["seed", "recall@20", "ndcg@20", "seconds", "peak MB"], rows)
    for metric, value in summary.items():
        print(f"{metric}: {value['mean']:.4f} +- {value['deviation']:.4f}")
    write_report(f"tiktok-{name}", {"options": options, "runs": runs, "summary": summary, "published": PUBLISHED})


def _train(records: Path, scratch: Path, config: list[str], seed: int) -> dict[str, float]:
    run = scratch / f"run-{seed}"
    _command("train", "--records", str(records), "--run", str(run), "--config", *config, f"--training.seed={seed}")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    state = json.loads((run / "state.json").read_text(encoding="utf-8"))
    return {
        "seed": seed,
        "recall@20": metrics["test"]["recall@20"],
        "ndcg@20": metrics["test"]["ndcg@20"],
        "cold/recall@20": metrics["test"].get("cold/recall@20"),
        "validation ndcg@20": metrics["validation"]["ndcg@20"],
        "seconds": state["seconds"],
        "peak_memory_mb": round(state["peak_memory_bytes"] / 2**20),
    }


def _command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "tf_metammf.commands.main", *arguments], check=True)


if __name__ == "__main__":
    main()
