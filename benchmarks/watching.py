"""What ``--tensorboard all`` costs: norms of gradients in every step, norms and modality shares after every epoch.

    python -m benchmarks.watching [--repeats 30]

Steps on 2,048 interactions of 10,000 users and items with two modalities of 128 values, with the settings of `default`,
once with and once without the norm of the gradients, and what is written after an epoch beside them. All in turn in
one process.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks.measurement import Run, in_turn, ratios
from benchmarks.report import print_table, spread, write_report
from tf_metammf import InBatchSoftmax, MetaMMF
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.tensorboard_logs import WriteModelStatistics

SEED = 0
SIZE = 10_000
BATCH = 2_048


def main() -> None:
    """Measures, prints the table and writes ``results/watching.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    plain, watched = _model(norms=False), _model(norms=True)
    with tempfile.TemporaryDirectory() as folder:
        statistics = WriteModelStatistics(Path(folder), [])
        statistics.set_model(watched)
        sides: dict[str, Run] = {
            "a step": _step(plain),
            "a step with the norm of its gradients": _step(watched),
            "statistics after an epoch": lambda: statistics.on_epoch_end(0),
        }
        times = in_turn(sides, repeats=repeats)
    results = {name: spread(values) for name, values in times.items()}
    rows = [[name, *(1e3 * each[key] for key in ("median", "minimum", "maximum"))] for name, each in results.items()]
    print_table("ms", ["", "median", "minimum", "maximum"], rows)
    step, with_norm = (times[name] for name in list(sides)[:2])
    compared = {"with norm / step": ratios(with_norm, step)}
    write_report("watching", {"seed": SEED, "repeats": repeats, "batch": BATCH, "seconds": results, "ratios": compared})


def _model(*, norms: bool) -> MetaMMF:
    settings, random = Configuration(), np.random.default_rng(SEED)
    features = {name: random.normal(size=(SIZE, 128)).astype(np.float32) for name in ("acoustic", "visual")}
    model = MetaMMF(
        SIZE,
        features,
        InBatchSoftmax(np.ones(SIZE, np.int64), temperature=settings.objective.temperature),
        fusion_options={"units": tuple(settings.model.fusion.units)},
        id_units=settings.model.id_units,
        combination=settings.model.combination,
        normalize=settings.model.normalize,
    )
    model.compile(optimizer=keras.optimizers.Adam(settings.training.learning_rate))
    model.logs_gradient_norm = norms
    return model


def _step(model: MetaMMF) -> Run:
    random = np.random.default_rng(SEED)
    batch = {name: tf.constant(random.integers(0, SIZE, BATCH)) for name in ("user", "item")}
    step = tf.function(model.train_step)
    return lambda: step(batch)["loss"].numpy()


if __name__ == "__main__":
    main()
