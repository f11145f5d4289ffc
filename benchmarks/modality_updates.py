"""Training modality by modality, and stopping one before the others: where it helps, and whether stops come at all.

1,000 items, 150 users, measured as in ``benchmarks/distillation.py``: ndcg@20 on 700 items without interactions against
the true tastes. Of the 300 items with interactions, 60 are for validation alone, so that what a modality only remembers
of single items gains nothing there. The fusion is a sum of projections.

=====  ==============================================================================================================
lazy   half of the taste is in a modality of 8 values, half in one of 128, of which 8 count: joint training learns the
       wide one by heart. What stops a modality should help at best a little, and growing gradients stop nothing
noise  all of the taste is in the narrow modality and the wide one is noise; vectors are not normalised and the learning
       rate is far too high, so that gradients grow
=====  ==============================================================================================================
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.distillation import ITEMS, USERS, Case, made, ndcg
from benchmarks.measurement import over_cases_and_seeds
from benchmarks.report import print_table, write_report
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training import train

CASES = ("lazy", "noise")
VALIDATED = 60
"""Labelled items whose interactions are for validation."""

ALTERNATING = {"update": "alternating"}
WAYS: dict[str, dict[str, Any]] = {
    "joint": {},
    "joint, as many passes as alternating": {"epochs": 80},
    "alternating": ALTERNATING,
    "alternating, gradient_growth": {**ALTERNATING, "modality_stop": "gradient_growth"},
    "alternating, validation_gain": {**ALTERNATING, "modality_stop": "validation_gain"},
    "alternating, validation_gain, patience 10": {
        **ALTERNATING,
        "modality_stop": "validation_gain",
        "modality_stop_patience": 10,
    },
}


def case_of(name: str, seed: int) -> Case:
    """The data of a case."""
    case = made("lazy", seed)
    if name == "lazy":
        return case
    random = np.random.default_rng(seed)
    content = random.normal(size=(ITEMS, 8))
    preference = random.normal(size=(USERS, 8)) @ content.T
    seen = preference[:, : case.labelled] + random.gumbel(size=(USERS, case.labelled))
    chosen = np.argsort(-seen, axis=1)[:, :20]
    features = {
        "narrow": content + 0.1 * random.normal(size=content.shape),
        "wide": random.normal(size=(ITEMS, 128)),
    }
    views = {"user": np.repeat(np.arange(USERS), 20), "item": chosen.ravel()}
    return replace(case, features=features, teachers=features, views=views, preference=preference)


def record_set_of(case: Case, folder: Path) -> RecordSet:
    """The case as a record set."""
    is_validated = case.views["item"] >= case.labelled - VALIDATED
    splits = {
        split: Interactions(case.views["user"][rows], case.views["item"][rows])
        for split, rows in (("train", ~is_validated), ("validation", is_validated))
    }
    modalities = {name: ModalityFeatures(values, np.arange(ITEMS)) for name, values in case.features.items()}
    users, items = [str(user) for user in range(USERS)], [str(item) for item in range(ITEMS)]
    data = RawData("lazy", users, items, splits["train"], modalities, splits)
    return write_record_set(data, splits, folder)


def configured(name: str, seed: int, *, model: Mapping[str, Any] | None = None, **training: Any) -> Configuration:
    """The configuration of a case."""
    is_wild = name == "noise"
    fusion = {"fusion": {"name": "sum", "units": [32]}, "id_units": 0, "normalize": not is_wild}
    steps = {"epochs": 40, "patience": 0, "batch_size": 256, "learning_rate": 0.3 if is_wild else 3e-3, "seed": seed}
    return Configuration.from_mapping(
        {
            "model": {**fusion, **(model or {})},
            "objective": {"temperature": 1.0 if is_wild else 0.2},
            "training": {**steps, **training},
            "evaluation": {"k": [20], "monitor": "cold_only/ndcg@20"},
        }
    )


def measured(name: str, seed: int) -> dict[str, dict[str, Any]]:
    """ndcg@20, stops, passes and seconds of every way."""
    case, found = case_of(name, seed), {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        records = record_set_of(case, folder / "records")

        def trained(label: str, configuration: Configuration) -> RunDirectory:
            return train(records, folder / label, configuration, splits=["validation"], verbose=0)

        for label, training in WAYS.items():
            found[label] = seen(case, trained(label, configured(name, seed, **training)))
        if name == "lazy":
            teachers = [
                trained(f"teacher of {modality}", configured(name, seed + 100, model={"modalities": [modality]}))
                for modality in case.features
            ]
            auxiliary = {
                "name": "distillation",
                "teachers": [str(each.folder) for each in teachers],
                "ensemble": True,
                "head_weight": 0.0,
            }
            taught = configured(name, seed, model={"auxiliary": auxiliary})
            found["joint, distilled from one teacher a modality"] = seen(case, trained("distilled", taught))
    return found


def seen(case: Case, run: RunDirectory) -> dict[str, Any]:
    """What is reported of a run."""
    model, _ = load_model(run)
    state = run.read("state")
    rows = [line.split(",") for line in run.history_file.read_text(encoding="utf-8").splitlines()]
    passes = [float(row[rows[0].index("passes")]) if "passes" in rows[0] else 1.0 for row in rows[1:]]
    return {
        "ndcg@20": ndcg(case, *model.embeddings()),
        "stopped": state["stopped_modalities"],
        "passes a step": float(np.mean(passes)),
        "seconds": state["seconds"],
    }


def main() -> None:
    """Measures both cases, prints the tables and writes ``results/modality_updates.json``."""
    results: dict[str, Any] = {}
    for name, runs in over_cases_and_seeds(str(__doc__), CASES, measured).items():
        results[name] = {way: [run[way] for run in runs] for way in runs[0]}
        rows = [
            [
                way,
                *(f"{choose([run['ndcg@20'] for run in each]):.3f}" for choose in (np.mean, min, max)),
                f"{np.mean([run['passes a step'] for run in each]):.2f}",
                f"{np.mean([run['seconds'] for run in each]):.0f}",
                "; ".join(", ".join(f"{m} {e}" for m, e in run["stopped"].items()) or "none" for run in each),
            ]
            for way, each in results[name].items()
        ]
        heads = ["way", "mean", "worst", "best", "passes a step", "s", "stopped after epoch, by seed"]
        print_table(f"{name}: ndcg@20 of items without interactions", heads, rows)
    write_report("modality_updates", {"seeds": len(runs), "runs": results})


if __name__ == "__main__":
    main()
