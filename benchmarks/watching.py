"""What it costs to look at a training: the norm of gradients in every step, and TensorBoard's files.

    python -m benchmarks.watching [--repeats 3] [--epochs 20]

Epochs of the quickstart's MetaMMF on its synthetic videos, by Keras' ``fit``: with nothing written, with
``training.tensorboard`` as ``metrics`` and as ``all``, and with the norm of the gradients alone. All in turn in one
process; the time of a run is its median epoch, steps and callbacks, ranking left out. What ``all`` writes once, when
training ends, is timed by itself, and so is what it writes after every epoch.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tf_keras as keras

from benchmarks.measurement import ratios, seconds
from benchmarks.report import print_table, spread, write_report
from tf_metammf.commands.quickstart import FUSIONS, quickstart_configuration
from tf_metammf.records.synthesis.synthesis import synthesize
from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.assembly import make_compiled_model
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training_batches import TrainingBatches
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.watching.tensorboard_logs import WriteModelStatistics, tensorboard_callbacks

SEED = 0
SIZE = 3_000
SIDES = ("nothing", "metrics", "all", "norms alone")


def main() -> None:
    """Measures, prints the table and writes ``results/watching.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = synthesize(SyntheticVideos(users=SIZE, items=SIZE, unseen_items=1, seed=SEED))
        training_data = TrainingData(write_record_set(data.raw, data.splits, Path(folder) / "videos", seed=SEED))
        sides = {name: Side(name, training_data, Path(folder) / name) for name in SIDES}
        for side in sides.values():
            side.epoch_seconds(epochs=1)
        times: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(arguments.repeats):
            for name, side in sides.items():
                times[name].append(side.epoch_seconds(epochs=arguments.epochs))
        end = [sides["all"].end_seconds() for _ in range(arguments.repeats)]
        statistics = [sides["all"].statistics_seconds() for _ in range(arguments.repeats)]
    compared = {name: {base: ratios(times[name], times[base]) for base in ("nothing", "metrics")} for name in SIDES}
    rows = [
        [name, *(1e3 * spread(times[name])[key] for key in ("median", "minimum", "maximum"))]
        + [f"{compared[name][base]['median']:.3f}" for base in ("nothing", "metrics")]
        for name in SIDES
    ]
    columns = ["written", "median", "minimum", "maximum", "to nothing", "to metrics"]
    print_table(f"An epoch of {sides['all'].steps} steps, ms", columns, rows)
    print(f"statistics of an epoch with all: {1e3 * spread(statistics)['median']:.3g} ms")
    print(f"at the end of a training with all: {spread(end)['median']:.3g} s")
    write_report(
        "watching",
        {
            "seed": SEED,
            "epochs a run": arguments.epochs,
            "steps an epoch": sides["all"].steps,
            "epoch seconds": {name: spread(values) for name, values in times.items()},
            "ratios": compared,
            "seconds of the statistics of an epoch with all": spread(statistics),
            "seconds at the end with all": spread(end),
        },
    )


class Side:
    """A model in training, looked at in one way.

    Args:
        name: One of :data:`SIDES`.
        data: The record set.
        folder: Where the logs go.
    """

    def __init__(self, name: str, data: TrainingData, folder: Path) -> None:
        configuration = quickstart_configuration("metammf", FUSIONS["metammf"], seed=SEED, epochs=1)
        keras.utils.set_random_seed(SEED)
        plan = TrainingPlan.of(configuration, data.record_set)
        self.steps = plan.steps
        self._model = make_compiled_model(plan, data)
        self._model.logs_gradient_norm = name in ("all", "norms alone")
        self._batches = TrainingBatches(plan, data).beginning_at()
        self._callbacks: list[keras.callbacks.Callback] = []
        if name in ("metrics", "all"):
            item_ids = data.record_set.item_ids
            self._callbacks = tensorboard_callbacks(folder, contents=name, profile_steps=0, item_ids=item_ids)

    def epoch_seconds(self, *, epochs: int) -> float:
        """The median of so many epochs, callbacks included."""
        clock = _Clock()
        # The clock is around the others: it begins before them, and what is behind them is last.
        callbacks = [_Begin(clock), *self._callbacks, clock]
        self._model.fit(self._batches, epochs=epochs, steps_per_epoch=self.steps, verbose=0, callbacks=callbacks)
        return spread(clock.seconds)["median"]

    def end_seconds(self) -> float:
        """Embedding the items and writing them for the projector."""
        return seconds(self._statistics.on_train_end)

    def statistics_seconds(self) -> float:
        """Norms of embeddings and modality shares, which do not depend on how many steps the epoch has."""
        return seconds(lambda: self._statistics.on_epoch_end(0))

    @property
    def _statistics(self) -> WriteModelStatistics:
        (statistics,) = (each for each in self._callbacks if isinstance(each, WriteModelStatistics))
        return statistics


class _Clock(keras.callbacks.Callback):
    """Seconds of every epoch, from when another callback says to when this one is called."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0.0
        self.seconds: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends an epoch."""
        self.seconds.append(time.perf_counter() - self.started)


class _Begin(keras.callbacks.Callback):
    """Starts a clock with every epoch."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self.clock = clock

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begins an epoch."""
        self.clock.started = time.perf_counter()


if __name__ == "__main__":
    main()
