"""Moments that another modality points out: what finds them, as recommendation and without users.

    python -m benchmarks.binding [--seeds 5] [--only binding clock neighbours]

``binding`` and ``clock`` are recommendations, trained as in ``benchmarks/fusing_over_time.py``, with a learning rate
that falls; a number is the share of the best reachable recall@20 of cold items. ``answer`` is told what users respond
to. ``sounds of other videos`` and ``without times`` are nulls. ``neighbours`` has no users: a fusion is trained to say
what they would respond to, and a number is the share of the variance that it explains for items that were kept out, for
the half of the items with keys of one token and for the half with keys of two, by the levels that the layers of
``crossmodal`` attend to. Writes ``results/binding.json``.
"""

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from benchmarks.fusing_over_time import METRIC, WIDE, recall_of
from benchmarks.report import print_table, spread, write_report
from tf_metammf import make_fusion
from tf_metammf.records import TokenArrays, TokenSequences
from tf_metammf.records.raw_data import ModalityFeatures
from tf_metammf.records.synthesis.best_reachable import best_reachable
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData, synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import SyntheticSequences

Model = tuple[str, dict[str, Any], str]
"""A fusion, its options, and what is done to the data before."""

CROSSMODAL: dict[str, Any] = {**WIDE, "layers": 1}
LARGE: dict[str, Any] = {"users": 1500, "items": 3000, "frames": 6, "interactions_per_user": 100}
SMALL: dict[str, Any] = {**LARGE, "users": 1000, "items": 1500}
DATA: dict[str, dict[str, Any]] = {
    "binding": {"pattern": "binding", **LARGE},
    "clock": {"pattern": "clock", "sound_rate": 3.7, **LARGE},
    "clock, 1,500 items": {"pattern": "clock", "sound_rate": 3.7, **SMALL},
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
    "clock, 1,500 items": {
        "answer": ("concatenation", {}, "told"),
        "crossmodal": ("crossmodal", CROSSMODAL, ""),
    },
}
STEPS = {"binding": 400, "clock": 600, "clock, 1,500 items": 600}
SEEDS = {"binding": 5, "clock": 3, "clock, 1,500 items": 3, "neighbours": 3}
LEVELS = ("first", "same", "all")
NEIGHBOURS: dict[str, int] = {"items": 16_000, "kept_out": 1000, "steps": 1000, "batch": 128}


def main() -> None:
    """Trains, prints medians with minimum and maximum, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="At most; the slow tables have three.")
    parser.add_argument("--only", nargs="*", choices=[*MODELS, "neighbours"], default=[*MODELS, "neighbours"])
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    for table in arguments.only:
        for seed in range(min(arguments.seeds, SEEDS[table])):
            for name, share in (_explained(seed) if table == "neighbours" else _shares(table, seed)).items():
                found.setdefault(table, {}).setdefault(name, []).append(share)
                print(f"{table} seed {seed} {name}: {share:.3f}", flush=True)
        write_report("binding", {"shares": found})
    rows = [
        [table, name, *(f"{value:.3f}" for value in spread(shares).values())]
        for table, by_name in found.items()
        for name, shares in by_name.items()
    ]
    print_table(f"share of the best {METRIC}, or of the variance", ["data", "model", "median", "least", "most"], rows)


def _shares(table: str, seed: int) -> dict[str, float]:
    """Shares of the best that can be reached, by model."""
    data = synthesize_sequences(SyntheticSequences(seed=seed, **DATA[table]))
    best, steps = best_reachable(data)[METRIC], STEPS[table]
    slower = keras.optimizers.schedules.CosineDecay(0.005, steps, alpha=0.02)
    changed = {"": data, "told": _told(data), "strange": _strange(data, seed), "timeless": _timeless(data)}
    return {
        name: recall_of(changed[change], fusion, options, seed=seed, steps=steps, learning_rate=slower) / best
        for name, (fusion, options, change) in MODELS[table].items()
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
    rows = np.random.default_rng(seed).permutation(sounds.row_of_item)
    return _with(data, {**data.raw.modalities, "acoustic": replace(sounds, row_of_item=rows)})


def _timeless(data: SequenceData) -> SequenceData:
    """All times 0."""
    found = {}
    for name, modality in data.raw.modalities.items():
        tokens = modality.features
        assert isinstance(tokens, TokenArrays)
        timeless = TokenArrays(tokens.values, tokens.lengths, np.zeros(len(tokens.values)))
        found[name] = replace(modality, features=timeless)
    return _with(data, found)


def _explained(seed: int) -> dict[str, float]:
    """Share of the variance that is explained, by the levels that layers attend to and by half of the items."""
    items = NEIGHBOURS["items"]
    wanted = SyntheticSequences(
        pattern="neighbours", seed=seed, users=5, items=items, frames=6, cold_items=0, popularity=0
    )
    data = synthesize_sequences(wanted)
    found = {}
    for levels in LEVELS:
        fused, truth = _fused(data, levels, seed)
        halves = data.kind_of_item[-len(truth) :]
        for half, name in enumerate(("one token", "two tokens")):
            of_half = halves == half
            residual = ((fused - truth)[of_half] ** 2).mean()
            found[f"{levels}, keys of {name}"] = float(1 - residual / truth[of_half].var())
    return found


def _fused(data: SequenceData, levels: str, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a fusion of two layers, without times, says of the items that were kept out, and the truth."""
    keras.utils.set_random_seed(seed)
    kept_out, truth = NEIGHBOURS["kept_out"], data.true_item_embeddings[:, :-1]
    # With times, neighbours could be told by them; without, by the convolution in the first layer alone.
    options = {"units": (truth.shape[1],), "token_units": 16, "dropout": 0.0, "frequencies": 0}
    fusion = make_fusion("crossmodal", source_levels=levels, **options)
    inputs = {name: _sequences(one, len(truth)) for name, one in data.raw.modalities.items()}
    fusion(_rows(inputs, tf.constant([0])))
    weights, optimizer = fusion.trainable_variables, keras.optimizers.Adam(0.01)
    optimizer.build(weights)

    @tf.function
    def step(rows: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((fusion(_rows(inputs, rows), training=True) - tf.gather(truth, rows)) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    random = np.random.default_rng(seed)
    for _ in range(NEIGHBOURS["steps"]):
        step(tf.constant(random.integers(len(truth) - kept_out, size=NEIGHBOURS["batch"])))
    last = np.arange(len(truth) - kept_out, len(truth))
    return tf.function(fusion)(_rows(inputs, tf.constant(last))).numpy(), truth[last]


def _sequences(modality: ModalityFeatures, items: int) -> TokenSequences:
    """Sequences of equal lengths as tensors."""
    tokens = modality.features
    assert isinstance(tokens, TokenArrays)
    values = tokens.values.reshape(items, -1, tokens.width)
    times = tokens.times.reshape(values.shape[:2]).astype(np.float32)
    return TokenSequences(tf.constant(values), tf.constant(tokens.lengths), tf.constant(times))


def _rows(inputs: Mapping[str, TokenSequences], rows: tf.Tensor) -> dict[str, TokenSequences]:
    return {name: TokenSequences(*(tf.gather(part, rows) for part in one)) for name, one in inputs.items()}


if __name__ == "__main__":
    main()
