"""What fusions over time need to find what counts: ablations and nulls, beside a model that is told the answer.

    python -m benchmarks.moments [--seeds 3] [--patterns needle needles motif order]

Data and training are those of ``benchmarks/fusing_over_time.py``. ``answer`` is a model whose features are what users
respond to: what it lacks is what tastes cannot be learned from so many interactions, and no fusion can have. Rows of
``shuffled`` train and test on frames in an order of chance. ``benchmarks/binding.py`` has moments that another modality
points out. Writes ``results/moments.json``.
"""

import argparse
import os
from dataclasses import replace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.fusing_over_time import METRIC, WIDE, recall_of
from benchmarks.report import print_table, spread, write_report
from tf_metammf.records import TokenArrays
from tf_metammf.records.raw_data import ModalityFeatures
from tf_metammf.records.synthesis.best_reachable import best_reachable
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData, synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import SyntheticSequences

MANY: dict[str, Any] = {"users": 1000, "items": 1500, "frames": 6, "interactions_per_user": 100}
DATA: dict[str, dict[str, Any]] = {
    "needle": MANY,
    "needles": MANY,
    "motif": {**MANY, "frames": 12},
    "order": {"users": 600, "items": 600, "frames": 6},
}
STEPS = {"needle": 800, "needles": 1200, "motif": 800, "order": 200}
MODELS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "needle": {"queries, K = 1": ("queries", {"queries": 1}), "queries, K = 4": ("queries", {})},
    "needles": {"queries, K = 1": ("queries", {"queries": 1}), "queries, K = 2": ("queries", {"queries": 2})},
    "motif": {
        "pyramid, pooling": ("pyramid", {"branches": "pooling"}),
        "pyramid, convolution": ("pyramid", {"branches": "convolution"}),
        "pyramid, both": ("pyramid", {}),
    },
    "order": {"pyramid": ("pyramid", {}), "pyramid, shuffled": ("pyramid", {})},
}


def main() -> None:
    """Trains, prints medians with minimum and maximum, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--patterns", nargs="*", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    for pattern in arguments.patterns:
        for seed in range(arguments.seeds):
            for name, share in _shares(pattern, seed).items():
                found.setdefault(pattern, {}).setdefault(name, []).append(share)
                print(f"{pattern} seed {seed} {name}: {share:.3f}", flush=True)
        write_report("moments", {"shares": found})
    rows = [
        [pattern, name, *(f"{value:.3f}" for value in spread(shares).values())]
        for pattern, by_name in found.items()
        for name, shares in by_name.items()
    ]
    print_table(f"share of the best reachable {METRIC}", ["pattern", "model", "median", "least", "most"], rows)


def _shares(pattern: str, seed: int) -> dict[str, float]:
    """Shares of the best that can be reached, by model."""
    data = synthesize_sequences(SyntheticSequences(pattern=pattern, seed=seed, **DATA[pattern]))
    best, steps = best_reachable(data)[METRIC], STEPS[pattern]
    answer = data.true_item_embeddings[:, :-1]
    told = _with(data, {"answer": ModalityFeatures(answer, np.arange(len(answer)))})
    found = {"answer": recall_of(told, "concatenation", {}, seed=seed, steps=steps) / best}
    for name, (fusion, options) in MODELS[pattern].items():
        seen = _shuffled(data, seed) if name.endswith("shuffled") else data
        found[name] = recall_of(seen, fusion, {**WIDE, **options}, seed=seed, steps=steps) / best
    return found


def _with(data: SequenceData, modalities: dict[str, ModalityFeatures]) -> SequenceData:
    return replace(data, raw=replace(data.raw, modalities=modalities))


def _shuffled(data: SequenceData, seed: int) -> SequenceData:
    """The same frames and times, put together by chance."""
    random, found = np.random.default_rng(seed), {}
    for name, modality in data.raw.modalities.items():
        tokens = modality.features
        values = tokens.values.reshape(len(tokens), -1, tokens.width)
        values = np.take_along_axis(values, random.random(values.shape[:2]).argsort(axis=1)[:, :, np.newaxis], axis=1)
        shuffled = TokenArrays(values.reshape(-1, tokens.width), tokens.lengths, tokens.times)
        found[name] = ModalityFeatures(shuffled, modality.row_of_item)
    return _with(data, found)


if __name__ == "__main__":
    main()
