"""MetaMMF beside the same model without dynamic fusion or content, and beside its peers.

    python -m benchmarks.peers --input FOLDER_WITH_TIKTOK_INTER [--sample FOLDER] [--comparisons fusions,peers]
                               [--output FOLDER]

Comparisons of ``tf-metammf compare``, the first six on TikTok:

* ``fusions`` gives every model the settings of ``gcn``, which were chosen on the validation split;
* ``edge_dropout`` leaves out edges at random, and not those that a step predicts;
* ``directions`` the same with the in-batch softmax in both directions;
* ``peers`` takes them as published;
* ``searched`` gives all the same objective and width, as far as they take them, and the same number of trials of a
  search on the validation split, with edges left out at random;
* ``searched_fusions`` does so for dynamic and static fusion without the edges that a step predicts;
* ``synthetic`` takes presets as they are to the videos of the quickstart, where every kind is told by other modalities;
* ``ablations`` varies ``cold-start`` on them, a setting at a time;
* ``sample`` takes them to the sample of the paper's authors, in the layout of MMGCN.

The test split is evaluated once, at the end of each run. With ``--output`` a comparison that was interrupted goes on,
and several processes with the same command share the work.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.model_files import merged, written
from benchmarks.report import print_table, write_report
from tf_metammf.trainer.configuration.configuration_files import read_configuration

FUSIONS = ("gcn", "gcn+concatenation", "gcn+none")
PEERS = (
    *("popularity", "item-knn", "item-knn-content", "mf-bpr", "vbpr", "invrl"),
    *("lightgcn", "freedom", "bm3", "mmgcn", "lattice"),
    *("mgcn", "lgmrec", "smore", "mmhcl", "diffmm"),
)
ELSEWHERE = (
    *("default", "default+concatenation", "default+none", "cold-start", "cold-start+concatenation"),
    *("gcn", "gcn+concatenation", "gcn+none", "vbpr", "lightgcn", "item-knn-content", "popularity"),
)
COMPARISONS = (
    "fusions",
    "edge_dropout",
    "directions",
    "peers",
    "searched",
    "searched_fusions",
    "synthetic",
    "ablations",
    "sample",
)
QUESTIONS = ("depth", "rank", "meta_units")
SHOWN = ("recall@20", "ndcg@20", "cold/recall@20", "cold_only/recall@20")

AT_RANDOM = {"model": {"graph": {"edge_dropout": 0.3, "exclude_targets": False}}}
BOTH_DIRECTIONS = {"objective": {"item_to_user_weight": 0.3}}
"""Of ``edge_dropout`` and ``directions``, chosen on the validation split with one seed."""

WIDTH = 256
SHARED = {
    "model": {
        "id_units": WIDTH,
        "combination": "add",
        "standardize": True,
        "normalize": True,
        "l2": {"log_range": [1e-8, 1e-4]},
        "fusion": {"units": [WIDTH]},
    },
    "objective": {"name": "in_batch_softmax", "temperature": {"log_range": [0.1, 0.4]}},
    "training": {"epochs": 100, "batch_size": 2048, "learning_rate": {"log_range": [5e-4, 3e-3]}, "patience": 6},
}
"""What all models of ``searched`` have in common, unless :data:`SEARCHED` says otherwise."""

EDGES = {"edge_dropout": {"range": [0.0, 0.6]}, "exclude_targets": False}
SEARCHED = {
    "gcn": ("gcn", {"model": {"graph": EDGES}}),
    "gcn+concatenation": ("gcn", {"model": {"graph": EDGES, "fusion": {"name": "concatenation"}}}),
    "gcn+none": ("gcn", {"model": {"graph": EDGES, "fusion": {"name": "none"}}}),
    "freedom": ("freedom", {"model": {"peer": {"pruning": {"range": [0.1, 0.8]}, "content_weight": 0.0}}}),
    # Its graphs for each modality take as much longer as they are wider.
    "mmgcn": ("mmgcn", {"model": {"id_units": 64, "fusion": {"units": [64]}}}),
    "lightgcn": ("lightgcn", {"model": {"graph": {"layers": 2} | EDGES}}),
    "vbpr": ("vbpr", {}),
    "bm3": (
        "bm3",
        {
            "model": {
                "normalize": False,
                "graph": {"layers": {"choice": [1, 2, 3]}},
                "peer": {"target_dropout": {"range": [0.2, 0.7]}},
                "l2": {"log_range": [1e-5, 1e-3]},
            },
            "objective": {"name": "none", "temperature": 1.0},
        },
    ),
    "mf": ("mf-bpr", {}),
}
"""Preset of each model, and what it changes of :data:`SHARED`."""


def main() -> None:
    """Converts once, compares, prints the tables and writes ``results/peers-*.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", type=Path, help="Folder with tiktok.inter and *_feat.npy.")
    parser.add_argument("--sample", type=Path, help="Folder with user_item_dict_sample.npy and *_feat_sample.npy.")
    parser.add_argument("--comparisons", default=",".join(COMPARISONS), help="Which, with commas between.")
    parser.add_argument("--seeds", type=int, default=5, help="Of all but peers, ablations and what is searched.")
    parser.add_argument("--peer_seeds", type=int, default=1, help="Of peers.")
    parser.add_argument("--searched_seeds", type=int, default=3, help="Of searched and searched_fusions.")
    parser.add_argument("--ablation_seeds", type=int, default=3, help="Of ablations.")
    parser.add_argument("--trials", type=int, default=4, help="Of searched and searched_fusions, for each model.")
    parser.add_argument("--output", type=Path, help="Where to keep record set and runs; nowhere by default.")
    arguments = parser.parse_args()
    chosen = arguments.comparisons.split(",")
    if unknown := set(chosen) - set(COMPARISONS):
        parser.error(f"unknown comparison {', '.join(sorted(unknown))}; there are {', '.join(COMPARISONS)}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "fusions": (_fusions(folder), arguments.seeds, []),
            "edge_dropout": (_fusions_with(folder, "edge_dropout", AT_RANDOM), arguments.seeds, []),
            "directions": (_fusions_with(folder, "directions", AT_RANDOM | BOTH_DIRECTIONS), arguments.seeds, []),
            "peers": (PEERS, arguments.peer_seeds, []),
            "searched": (_searched(folder), arguments.searched_seeds, ["--trials", str(arguments.trials)]),
            "searched_fusions": (
                _searched_fusions(folder),
                arguments.searched_seeds,
                ["--trials", str(arguments.trials)],
            ),
            "ablations": (["cold-start"], arguments.ablation_seeds, ["--ablate", ",".join(QUESTIONS)]),
            "synthetic": (_elsewhere(folder), arguments.seeds, []),
            "sample": (_elsewhere(folder), arguments.seeds, []),
        }
        for name in chosen:
            models, seeds, options = settings[name]
            words = ["--models", ",".join(models), "--seeds", str(seeds), *options]
            records = _records(folder, name, tiktok=arguments.input, sample=arguments.sample)
            _run("compare", "--records", records, *words, "--output", folder / name, "--quiet")
            results = json.loads((folder / name / "results.json").read_text(encoding="utf-8"))
            _print(name, results)
            write_report(f"peers-{name}", results)


def _records(folder: Path, name: str, *, tiktok: Path | None, sample: Path | None) -> Path:
    """The record set of a comparison, made where it is not there yet."""
    name = "synthetic" if name == "ablations" else name
    records = folder / (f"records-{name}" if name in ("synthetic", "sample") else "records")
    if records.exists():
        return records
    words = ["synthesize"] if name == "synthetic" else _conversion(name, tiktok=tiktok, sample=sample)
    try:
        _run("records", *words, "--output", records)
    except subprocess.CalledProcessError:
        if not records.exists():  # another process may have been first
            raise
    return records


def _conversion(name: str, *, tiktok: Path | None, sample: Path | None) -> list[str]:
    source, folder, option = ("mmgcn", sample, "--sample") if name == "sample" else ("mmrec", tiktok, "--input")
    if folder is None:
        raise SystemExit(f"{option} is missing: the folder with the raw data")
    return ["convert", "--source", source, "--input", str(folder)]


def _fusions(folder: Path) -> list[str]:
    return [*FUSIONS, *written(folder, "", {"no-content": _no_content()})]


def _fusions_with(folder: Path, comparison: str, changes: dict[str, Any]) -> list[str]:
    models = {"no-content": _no_content()}
    for name in FUSIONS:
        fusion = name.partition("+")[2]
        models[name] = merged(read_configuration("gcn"), {"model": {"fusion": {"name": fusion}}} if fusion else {})
    return written(folder, f"{comparison}-", {name: merged(content, changes) for name, content in models.items()})


def _elsewhere(folder: Path) -> list[str]:
    """Presets as they are, and what there is for data whose interactions are with cold items."""
    changes = {"id-dropout": {"model": {"id_dropout": 0.5}}, "content-alone": {"model": {"id_units": 0}}}
    return [
        *ELSEWHERE,
        *written(folder, "", {name: merged(read_configuration("default"), its) for name, its in changes.items()}),
    ]


def _searched(folder: Path) -> list[str]:
    models = {name: merged(merged(read_configuration(preset), SHARED), own) for name, (preset, own) in SEARCHED.items()}
    return written(folder, "searched-", models)


def _searched_fusions(folder: Path) -> list[str]:
    models = {}
    for name in ("gcn", "gcn+concatenation"):
        preset, own = SEARCHED[name]
        searched = merged(merged(read_configuration(preset), SHARED), own)
        models[name] = merged(searched, {"model": {"graph": {"edge_dropout": 0.0, "exclude_targets": True}}})
    return written(folder, "searched_fusions-", models)


def _no_content() -> dict[str, Any]:
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
        p_value = "" if found["p_holm"] is None else f"{found['p_holm']:.4f}"
        rows.append([model, *shown, found["reference"] or "", p_value, f"{found['seconds']['mean']:.0f}"])
    print_table(f"test split: {name}", ["model", *SHOWN, "reference", "p (Holm)", "seconds"], rows)


if __name__ == "__main__":
    main()
