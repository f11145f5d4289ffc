"""What fusions over time explain of what users respond to, without users: branches of the pyramid, longer videos.

    python -m benchmarks.moment_regressions [--seeds 5] [--only branches levels lengths]

A fusion is trained to say what users respond to, on synthetic items whose truth is known. A number is the share of the
variance of the truth that it explains for items that were kept out. ``branches``: half of the items need the pooling
branch of the pyramid, half its convolutions (``motif_or_halves``). ``levels``: half of the items need the keys of one
token of another modality, half those of two neighbours (``neighbours``); ``crossmodal`` of two layers attends to some
levels, without times, so that only its convolutions see neighbours. ``lengths``: fusions trained on videos of 6 frames
see videos of 24 frames, which are four times as long, or as long and four times as dense. There the truth has another
scale, so that is the share explained by the best multiple. Writes ``results/moment_regressions-branches.json`` and
``results/moment_regressions-lengths.json``.
"""

import argparse
import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from benchmarks.report import print_table, spread, write_report
from tf_metammf import make_fusion
from tf_metammf.records import TokenSequences
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData, synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import SyntheticSequences

ITEMS, KEPT_OUT, BATCH = 4000, 500, 128
MANY = 4 * ITEMS
BRANCHES = ("pooling", "convolution", "both")
TABLES = ["branches", "levels", "lengths"]
LEVELS = ("first", "same", "all")
SHORT = 6
LONGER: dict[str, dict[str, Any]] = {
    "6 frames in 6 s": {},
    "24 frames in 24 s": {"frames": 4 * SHORT},
    "24 frames in 6 s": {"frames": 4 * SHORT, "rate": 4.0, "sound_rate": 4.0},
}
LENGTHS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "needle, queries": ("needle", "queries", {"queries": 1}, 300),
    "order, pyramid": ("order", "pyramid", {}, 300),
    "kinds, queries": ("kinds", "queries", {}, 600),
    "kinds, pyramid": ("kinds", "pyramid", {}, 600),
    "kinds, crossmodal": ("kinds", "crossmodal", {"layers": 1}, 600),
    "kinds, metammf_tokens by a pyramid": ("kinds", "metammf_tokens", {"meta": "pyramid"}, 600),
}

Batch = Mapping[str, TokenSequences]
Found = dict[str, dict[str, list[float]]]


def main() -> None:
    """Trains, prints medians with minimum and maximum, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=TABLES, default=TABLES)
    arguments = parser.parse_args()
    measured = {"branches": _branches, "levels": _levels, "lengths": _lengths}
    found: dict[str, Found] = {}
    for table in arguments.only:
        for seed in range(arguments.seeds):
            for row, shares in measured[table](seed).items():
                print(f"{table} seed {seed} {row}: {shares}", flush=True)
                for column, share in shares.items():
                    found.setdefault(table, {}).setdefault(row, {}).setdefault(column, []).append(share)
        write_report(f"moment_regressions-{table}", {"explained": found[table]})
    for table, rows in found.items():
        columns = list(next(iter(rows.values())))
        cells = [
            [row, *("{median:.3f} ({minimum:.3f}-{maximum:.3f})".format(**spread(shares[c])) for c in columns)]
            for row, shares in rows.items()
        ]
        print_table(f"share of the variance that is explained: {table}", [table, *columns], cells)


def _branches(seed: int) -> dict[str, dict[str, float]]:
    """By branch, for all items and for those that need either."""
    data = _made("motif_or_halves", seed, frames=24)
    kept_out = data.kind_of_item[ITEMS - KEPT_OUT :]
    found = {}
    for branches in BRANCHES:
        fusion = _trained("pyramid", data, {"slots": 24, "branches": branches}, seed=seed, steps=1500, rate=0.005)
        fused, truth = _answers(fusion, data)
        kinds = {"all": kept_out >= 0, "motif": kept_out == 0, "halves": kept_out == 1}
        found[branches] = {kind: explained(fused[rows], truth[rows]) for kind, rows in kinds.items()}
    return found


def _levels(seed: int) -> dict[str, dict[str, float]]:
    """By the levels that layers attend to, for all items and for those with keys of one token and of two."""
    data = _made("neighbours", seed, items=MANY, frames=8)
    kept_out = data.kind_of_item[-KEPT_OUT:]
    found = {}
    for levels in LEVELS:
        options = {"source_levels": levels, "frequencies": 0, "token_units": 16}
        fused, truth = _answers(_trained("crossmodal", data, options, seed=seed, steps=1400), data)
        kinds = {"all": kept_out >= 0, "one token": kept_out == 0, "two tokens": kept_out == 1}
        found[levels] = {kind: explained(fused[rows], truth[rows]) for kind, rows in kinds.items()}
    return found


def _lengths(seed: int) -> dict[str, dict[str, float]]:
    """By fusion, for test videos of several lengths."""
    found: dict[str, dict[str, float]] = {}
    for row, (pattern, fusion, options, steps) in LENGTHS.items():
        trained = _trained(fusion, _made(pattern, seed, frames=SHORT), options, seed=seed, steps=steps)
        for column, longer in LONGER.items():
            fused, truth = _answers(trained, _made(pattern, seed, **{"frames": SHORT, **longer}))
            multiple = (fused * truth).sum() / (fused**2).sum()
            found.setdefault(row, {})[column] = explained(multiple * fused, truth)
    return found


def explained(fused: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Share of the variance of the truth."""
    return float(1 - ((fused - truth) ** 2).mean() / truth.var())


def _made(pattern: str, seed: int, *, items: int = ITEMS, **options: Any) -> SequenceData:
    data = SyntheticSequences(pattern=pattern, users=5, items=items, cold_items=0, popularity=0, seed=seed, **options)
    return synthesize_sequences(data)


def _trained(
    name: str, data: SequenceData, options: dict[str, Any], *, seed: int, steps: int, rate: float = 0.01
) -> Any:
    """A fusion after so many steps of :data:`BATCH` items, without those that are kept out."""
    keras.utils.set_random_seed(seed)
    units = (data.true_item_embeddings.shape[1] - 1,)
    fusion = make_fusion(name, units=units, **{"token_units": 32, "dropout": 0.0, **options})
    inputs, wanted = _batch_of(data), tf.constant(data.true_item_embeddings[:, :-1])
    fusion(_rows(inputs, tf.constant([0])))
    weights, optimizer = fusion.trainable_variables, keras.optimizers.Adam(rate)
    optimizer.build(weights)

    @tf.function
    def step(rows: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((fusion(_rows(inputs, rows), training=True) - tf.gather(wanted, rows)) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    random = np.random.default_rng(seed)
    for _ in range(steps):
        step(tf.constant(random.integers(len(wanted) - KEPT_OUT, size=BATCH)))
    return fusion


def _answers(fusion: Any, data: SequenceData) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a fusion says of the items that were kept out, and the truth."""
    kept_out = np.arange(len(data.true_item_embeddings))[-KEPT_OUT:]
    fused = tf.function(fusion)(_rows(_batch_of(data), tf.constant(kept_out)))
    return fused.numpy(), data.true_item_embeddings[kept_out, :-1]


def _batch_of(data: SequenceData) -> Batch:
    found = {}
    for name, modality in data.raw.modalities.items():
        tokens = modality.features
        values = tokens.values.reshape(len(tokens), -1, tokens.width)
        times = tokens.times.reshape(values.shape[:2]).astype(np.float32)
        found[name] = TokenSequences(tf.constant(values), tf.constant(tokens.lengths), tf.constant(times))
    return found


def _rows(inputs: Batch, rows: tf.Tensor) -> Batch:
    return {name: TokenSequences(*(tf.gather(part, rows) for part in one)) for name, one in inputs.items()}


if __name__ == "__main__":
    main()
