"""MetaMMF over graphs beside the same model without dynamic fusion or content, and beside its peers, on TikTok.

    python -m benchmarks.peers --input FOLDER_WITH_TIKTOK_INTER [--seeds 5] [--peer_seeds 1] [--output FOLDER]

Two comparisons of ``tf-metammf compare``: ``fusions`` gives every model the same objective, width and graph; ``peers``
takes them as published. Settings of ``gcn`` were chosen on the validation split; the test split is evaluated once, at
the end of each run. With ``--output`` a comparison that was interrupted goes on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.report import print_table, write_report
from tf_metammf.trainer.configuration import read_configuration

FUSIONS = ("gcn", "gcn+concatenation", "gcn+none")
PEERS = (
    *("popularity", "item-knn", "item-knn-content", "mf-bpr", "vbpr", "invrl"),
    *("lightgcn", "freedom", "bm3", "mmgcn", "lattice"),
)
SHOWN = ("recall@20", "ndcg@20", "cold/recall@20", "cold_only/recall@20")


def main() -> None:
    """Converts once, compares, prints the tables and writes ``results/peers-*.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", type=Path, required=True, help="Folder with tiktok.inter and *_feat.npy.")
    parser.add_argument("--seeds", type=int, default=5, help="Of the models that share everything but the fusion.")
    parser.add_argument("--peer_seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, help="Where to keep record set and runs; nowhere by default.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        records = folder / "records"
        if not records.exists():
            _run("records", "convert", "--source", "mmrec", "--input", arguments.input, "--output", records)
        (folder / "no-content.yaml").write_text(yaml.safe_dump(_no_content()), encoding="utf-8")
        fusions = [*FUSIONS, f"no-content={folder / 'no-content.yaml'}"]
        for name, models, seeds in (
            ("fusions", fusions, arguments.seeds),
            ("peers", PEERS, arguments.peer_seeds),
        ):
            words = ["--models", ",".join(models), "--seeds", str(seeds), "--output", folder / name, "--quiet"]
            _run("compare", "--records", records, *words)
            results = json.loads((folder / name / "results.json").read_text(encoding="utf-8"))
            _print(name, results)
            write_report(f"peers-{name}", results)


def _no_content() -> dict[str, object]:
    """``gcn`` of ID embeddings and interactions alone."""
    content = read_configuration("gcn")
    content["model"]["fusion"] = {"name": "none"}
    content["model"]["graph"].pop("item_neighbours")
    return content


def _run(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "tf_metammf.commands.main", *map(str, words)], check=True)


def _print(name: str, results: dict[str, object]) -> None:
    rows = []
    for model, found in results["models"].items():  # type: ignore[attr-defined]
        cells = [found["metrics"].get(metric, {"mean": None, "deviation": None}) for metric in SHOWN]
        shown = [
            "-" if cell["mean"] is None else f"{cell['mean']:.4f} ± {cell['deviation'] or 0:.4f}" for cell in cells
        ]
        p_value = "" if found["p_value"] is None else f"{found['p_value']:.4f}"
        rows.append([model, *shown, p_value, f"{found['seconds']['mean']:.0f}"])
    print_table(f"TikTok, test split: {name}", ["model", *SHOWN, "p", "seconds"], rows)


if __name__ == "__main__":
    main()
