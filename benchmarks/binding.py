"""Moments that another modality points out: what finds them, and nulls.

    python -m benchmarks.binding [--seeds 5] [--only binding clock] [--users N] [--items N]

``binding`` and ``clock`` are recommendations, trained as in ``benchmarks/fusing_over_time.py``, with a learning rate
that falls; a number is the share of the best reachable recall@20 of cold items. ``answer`` is told what users respond
to. ``sounds of other videos`` and ``without times`` are nulls. Writes ``results/binding.json``.
"""

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tf_keras as keras

from benchmarks.fusing_over_time import METRIC, WIDE, recall_of
from benchmarks.report import print_table, spread, write_report
from tf_metammf.records import TokenArrays
from tf_metammf.records.raw_data import ModalityFeatures
from tf_metammf.records.synthesis.best_reachable import best_reachable
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData, synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import SyntheticSequences

Model = tuple[str, dict[str, Any], str]
"""A fusion, its options, and what is done to the data before."""

CROSSMODAL: dict[str, Any] = {**WIDE, "layers": 1}
SIZE: dict[str, Any] = {"users": 1500, "items": 3000, "frames": 6, "interactions_per_user": 100}
DATA: dict[str, dict[str, Any]] = {
    "binding": {"pattern": "binding", **SIZE},
    "clock": {"pattern": "clock", "sound_rate": 3.7, **SIZE, "items": 5000},
}
MEANS = ("concatenation", "sum", "gated", "attention", "metammf")
MODELS: dict[str, dict[str, Model]] = {
    "binding": {
        "answer": ("concatenation", {}, "told"),
        **{f"{name}, of means": (name, {}, "") for name in MEANS},
        "queries": ("queries", WIDE, ""),
        "queries, 2 blocks": ("queries", {**WIDE, "blocks": 2}, ""),
        "crossmodal": ("crossmodal", CROSSMODAL, ""),
        "crossmodal, sounds of other videos": ("crossmodal", CROSSMODAL, "strange"),
    },
    "clock": {
        "answer": ("concatenation", {}, "told"),
        "crossmodal": ("crossmodal", CROSSMODAL, ""),
        "crossmodal, without times": ("crossmodal", CROSSMODAL, "timeless"),
    },
}
SLOW_OR_ALIKE = (
    *(f"{name}, of means" for name in ("sum", "gated", "attention")),
    "queries, 2 blocks",
    "crossmodal, sounds of other videos",
)
"""Trained with the first seed alone."""
STEPS = 600
SEEDS = {"binding": 5, "clock": 1}


def main() -> None:
    """Trains, prints medians with minimum and maximum, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="At most; clock has one.")
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--users", type=int)
    parser.add_argument("--items", type=int)
    arguments = parser.parse_args()
    size = {name: getattr(arguments, name) for name in ("users", "items") if getattr(arguments, name)}
    found: dict[str, dict[str, list[float]]] = {}
    for table in arguments.only:
        for seed in range(min(arguments.seeds, SEEDS[table])):
            for name, share in _shares(table, seed, size).items():
                found.setdefault(table, {}).setdefault(name, []).append(share)
                print(f"{table} seed {seed} {name}: {share:.3f}", flush=True)
        write_report("binding", {**size, "shares": found})
    rows = [
        [table, name, *(f"{value:.3f}" for value in spread(shares).values())]
        for table, by_name in found.items()
        for name, shares in by_name.items()
    ]
    print_table(f"share of the best reachable {METRIC}", ["data", "model", "median", "least", "most"], rows)


def _shares(table: str, seed: int, size: dict[str, int]) -> dict[str, float]:
    """Shares of the best that can be reached, by model."""
    data = synthesize_sequences(SyntheticSequences(seed=seed, **{**DATA[table], **size}))
    best = best_reachable(data)[METRIC]
    slower = keras.optimizers.schedules.CosineDecay(0.005, STEPS, alpha=0.02)
    changed = {"": data, "told": _told(data), "strange": _strange(data, seed), "timeless": _timeless(data)}
    return {
        name: recall_of(changed[change], fusion, options, seed=seed, steps=STEPS, learning_rate=slower) / best
        for name, (fusion, options, change) in MODELS[table].items()
        if seed == 0 or name not in SLOW_OR_ALIKE
    }


def _with(data: SequenceData, modalities: Mapping[str, ModalityFeatures]) -> SequenceData:
    return replace(data, raw=replace(data.raw, modalities={**modalities}))


def _told(data: SequenceData) -> SequenceData:
    """What users respond to in the place of the sequences."""
    answer = data.true_item_embeddings[:, :-1]
    return _with(data, {"answer": ModalityFeatures(answer, np.arange(len(answer)))})


def _strange(data: SequenceData, seed: int) -> SequenceData:
    """Every video with the sounds of another one."""
    sounds = data.raw.modalities["acoustic"]
    others = np.random.default_rng(seed).permutation(len(sounds.features))
    return _with(data, {**data.raw.modalities, "acoustic": replace(sounds, features=sounds.features[others])})


def _timeless(data: SequenceData) -> SequenceData:
    """All times 0."""
    found = {}
    for name, modality in data.raw.modalities.items():
        tokens = modality.features
        assert isinstance(tokens, TokenArrays)
        timeless = TokenArrays(tokens.values, tokens.lengths, np.zeros(len(tokens.values)))
        found[name] = replace(modality, features=timeless)
    return _with(data, found)


if __name__ == "__main__":
    main()
