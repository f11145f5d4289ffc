"""Fusions over time against pooled ones, on sequences whose truth is known: full ranking of cold items.

    python -m benchmarks.fusing_over_time [--seeds 5] [--patterns kinds order ...]

Every seed draws new data. All models see the same data, steps and learning rate; nothing is chosen on test. A number is
the share of the best reachable recall@20 of the cold items among all items. First it counts what an item costs: the
multiply-adds of each fusion, forward, for two modalities of 128 values and 32 tokens.
"""

import argparse
import time
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks.multiply_adds import multiply_adds
from benchmarks.report import print_table, spread, write_report
from tf_metammf import FullRanking, MetaMMF, make_fusion
from tf_metammf.records import TokenSequences
from tf_metammf.records.synthesis.best_reachable import best_reachable
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData, synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import SyntheticSequences

METRIC = "cold/recall@20"
WIDE: dict[str, Any] = {"token_units": 32, "dropout": 0.0}
POOLED = {"metammf": ("metammf", {"units": (32, 16)})}
FUSIONS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "kinds": {
        **POOLED,
        "queries": ("queries", WIDE),
        "pyramid": ("pyramid", WIDE),
        "crossmodal": ("crossmodal", {**WIDE, "layers": 1}),
        "metammf_tokens": ("metammf_tokens", {**WIDE, "meta": "pyramid"}),
    },
    "needle": {**POOLED, "queries": ("queries", WIDE)},
    "order": {**POOLED, "pyramid": ("pyramid", WIDE)},
}
SIZES: dict[str, dict[str, Any]] = {
    "kinds": {"users": 600, "items": 600, "frames": 6},
    "needle": {"users": 1000, "items": 1500, "frames": 6},
    "order": {"users": 600, "items": 600, "frames": 6},
}
STEPS = {"kinds": 400, "needle": 400, "order": 200}


def main() -> None:
    """Counts, trains, prints medians with minimum and maximum, and writes ``results/fusing_over_time.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--patterns", nargs="*", choices=FUSIONS, default=list(FUSIONS))
    arguments = parser.parse_args()
    costs = _costs()
    print_table("multiply-adds of an item", ["fusion", "multiply-adds"], [list(row) for row in costs.items()])
    found: dict[str, dict[str, list[float]]] = {}
    for pattern in arguments.patterns:
        for seed in range(arguments.seeds):
            data = synthesize_sequences(SyntheticSequences(pattern=pattern, seed=seed, **SIZES[pattern]))
            best = best_reachable(data)[METRIC]
            for name, (fusion, options) in FUSIONS[pattern].items():
                started = time.perf_counter()
                share = recall_of(data, fusion, options, seed=seed, steps=STEPS[pattern]) / best
                found.setdefault(pattern, {}).setdefault(name, []).append(share)
                print(f"{pattern} seed {seed} {name}: {share:.3f}, {time.perf_counter() - started:.0f} s", flush=True)
        write_report("fusing_over_time", {"multiply_adds": costs, "shares": found})
    rows = [
        [pattern, name, *(f"{value:.3f}" for value in spread(shares).values())]
        for pattern, by_name in found.items()
        for name, shares in by_name.items()
    ]
    print_table(f"share of the best reachable {METRIC}", ["pattern", "fusion", "median", "least", "most"], rows)


def recall_of(
    data: SequenceData, fusion: str, options: dict[str, Any], *, seed: int, steps: int, learning_rate: Any = 0.005
) -> float:
    """The metric of a model that is trained for so many steps of 512 interactions."""
    keras.utils.set_random_seed(seed)
    train = data.splits["train"]
    users, items = len(data.raw.user_ids), len(data.raw.item_ids)
    frequency = np.bincount(train.item, minlength=items)
    model = MetaMMF(
        users,
        {name: modality.features for name, modality in data.raw.modalities.items()},
        "in_batch_softmax",
        item_frequency=frequency,
        fusion=fusion,
        fusion_options={"units": (16,), **options},
        id_units=0,
    )
    model.compile(keras.optimizers.Adam(learning_rate))
    batches = tf.data.Dataset.from_tensor_slices({"user": train.user, "item": train.item})
    batches = batches.shuffle(len(train), seed=seed).repeat().batch(512, drop_remainder=True)
    model.fit(batches.take(steps), verbose=0)
    ranking = FullRanking(
        (data.splits["test"].user, data.splits["test"].item),
        users=users,
        items=items,
        masked=[(data.splits[name].user, data.splits[name].item) for name in ("train", "validation")],
        cutoffs=[20],
        metrics=["recall"],
        warm_items=frequency > 0,
    )
    return float(ranking.evaluate(*model.embeddings())[METRIC])


def _costs() -> dict[str, int]:
    """Multiply-adds of one item by fusion, with the default options."""
    tokens = TokenSequences(tf.ones([1, 32, 128]), tf.constant([32], tf.int64), tf.zeros([1, 32]))
    found = {}
    for name in ("concatenation", "metammf", "queries", "pyramid", "crossmodal", "metammf_tokens"):
        pooled = name in ("concatenation", "metammf")
        fusion = make_fusion(name, units=(256, 64)) if pooled else make_fusion(name)
        inputs = dict.fromkeys(("acoustic", "visual"), tokens.means() if pooled else tokens)
        fusion(inputs)
        found[name] = multiply_adds(tf.function(fusion).get_concrete_function(inputs).graph)
    return found


if __name__ == "__main__":
    main()
