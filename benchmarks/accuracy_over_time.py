"""Accuracy over seconds of training, for every preset on one record set, and the maximum over epochs on test.

    python -m benchmarks.accuracy_over_time --records DIR --output FOLDER [--models default,gcn,...] [--seconds 300]
                                            [--seeds 1]

Every model is trained with its preset alone, until its own early stopping ends it or an epoch ends after so many
seconds, as ``tf-metammf train --config`` would train it; every seed is a separate process. Seconds are those of epochs
with their validation, as users wait for them; what follows is not counted. After every epoch the test split is ranked
too, which decides nothing: beside the metrics of the epoch that validation chose stands the epoch with the highest
recall@20 on test, which is what papers print that choose their epoch on test. Such a maximum is too high by chance, and
only there to compare like with like.

A model whose result is in the folder is not trained again. Writes ``results/accuracy_over_time-NAME.json``, with NAME
that of the record set, and ``docs/images/accuracy_over_time-NAME.svg``, validation over seconds.
"""

import argparse
import json
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tf_keras as keras

from benchmarks.measurement import of_its_own_process
from benchmarks.report import IMAGES, print_table, write_report
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.configuration_files import read_configuration
from tf_metammf.trainer.distribution.strategy import make_strategy
from tf_metammf.trainer.planning.training_plan import plan_training
from tf_metammf.trainer.rankings import final_rankings, validation_ranking
from tf_metammf.trainer.replica_training import ReplicaTraining
from tf_metammf.trainer.runs.run_directory import create_run_directory
from tf_metammf.trainer.runs.run_in_progress import RunInProgress
from tf_metammf.trainer.training import train
from tf_metammf.trainer.training_data import TrainingData

SOLVED = ("popularity", "item-knn", "item-knn-content", "ease", "ials")
TRAINED = (
    *("default", "wide", "cold-start", "gcn", "mf-softmax", "lightgcn-softmax"),
    *("mf-bpr", "vbpr", "lightgcn", "bm3", "freedom", "lgmrec", "smore", "mmhcl", "mgcn", "mmgcn", "invrl", "diffmm"),
    "lattice",
)
OURS = ("default", "wide", "cold-start", "gcn", "lightgcn-softmax")
"""Drawn in colour; the others are grey."""

METRICS = ("recall@20", "ndcg@20")
SHARE = 0.95
"""Of a model's own best NDCG on validation, for the time that it takes to come near."""


class OutOfTimeError(Exception):
    """A training has had its seconds."""


class WatchTest(keras.callbacks.Callback):
    """Keeps seconds, validation and test of every epoch, and ends training after the epoch that passes the limit."""

    def __init__(self, test: FullRanking, seconds: float) -> None:
        super().__init__()
        self.test, self.limit, self.seconds, self.began = test, seconds, 0.0, 0.0
        self.epochs: list[dict[str, Any]] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops the clock, and ranks the test split."""
        self.seconds += time.perf_counter() - self.began
        found = self.test.evaluate(*self.model.embeddings())
        row = {f"test {metric}": found[metric] for metric in METRICS}
        row |= {f"validation {metric}": (logs or {})[f"val_{metric}"] for metric in METRICS}
        self.epochs.append({"seconds": self.seconds, **row})
        if self.seconds >= self.limit:
            raise OutOfTimeError


def main() -> None:
    """Trains what is not there yet, prints the table, and writes results and plot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="Where to keep runs and their epochs.")
    parser.add_argument("--models", default=",".join(SOLVED + TRAINED), help="Presets, with commas between.")
    parser.add_argument("--seconds", type=float, default=300.0, help="Of training, for each model.")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        where = arguments.records, arguments.output
        print(json.dumps(trained(*where, arguments.train, seed=arguments.seed, limit=arguments.seconds)))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    names = arguments.models.split(",")
    found = {name: [_kept(arguments, name, seed) for seed in range(arguments.seeds)] for name in names}
    summaries = {name: [summary(epochs) for epochs in seeds] for name, seeds in found.items()}
    columns = list(next(iter(summaries.values()))[0])
    ordered = sorted(summaries, key=lambda name: -_mean(summaries[name], "ndcg@20"))
    rows = [[name, *(_mean(summaries[name], column) for column in columns)] for name in ordered]
    title = f"{arguments.records.name}, test split; means of {arguments.seeds} seeds"
    print_table(title, ["", *columns], rows)
    name = f"accuracy_over_time-{arguments.records.name}"
    content = {"limit": arguments.seconds, "models": {name: summaries[name] for name in ordered}, "epochs": found}
    write_report(name, content)
    draw(found, IMAGES / f"{name}.svg")


def trained(records: Path, folder: Path, name: str, *, seed: int, limit: float) -> list[dict[str, Any]]:
    """Every epoch of a training of a preset; what is solved has one."""
    record_set, content = open_record_set(records), dict(read_configuration(name))
    content["training"] = {**content.get("training", {}), "seed": seed}
    configuration = Configuration.from_mapping(content, source=name)
    folder = folder / f"run-{name}-{seed}"
    if name in SOLVED:
        run = train(record_set, folder, configuration, verbose=0)
        metrics = run.read("metrics")
        found = {f"{split} {metric}": metrics[split][metric] for split in ("test", "validation") for metric in METRICS}
        return [{"seconds": run.seconds, **found}]
    plan = plan_training(configuration, record_set)
    data = TrainingData.of(record_set, plan)
    keras.utils.set_random_seed(seed)
    watch = WatchTest(final_rankings(plan, data, splits=["test"])["test"], limit)
    training = ReplicaTraining(plan, data, make_strategy("none"))
    run = create_run_directory(folder, configuration, record_set)
    with suppress(OutOfTimeError):
        training.fit(RunInProgress(run, earlier=run), validation_ranking(plan, data), watchers=[watch], verbose=0)
    return watch.epochs


def summary(epochs: list[dict[str, Any]]) -> dict[str, float]:
    """What validation chose, what it took, and the epoch with the highest recall on test."""
    chosen = max(epochs, key=lambda row: row["validation ndcg@20"])
    highest = max(epochs, key=lambda row: row["test recall@20"])
    near = next(row for row in epochs if row["validation ndcg@20"] >= SHARE * chosen["validation ndcg@20"])
    return {
        "validation ndcg@20": chosen["validation ndcg@20"],
        **{metric: chosen[f"test {metric}"] for metric in METRICS},
        **{f"{metric}, epoch chosen on test": highest[f"test {metric}"] for metric in METRICS},
        f"seconds to {SHARE:.0%}": near["seconds"],
        "seconds to the best": chosen["seconds"],
        "epochs": float(len(epochs)),
    }


def draw(found: dict[str, list[list[dict[str, Any]]]], path: Path) -> None:
    """Draws the best NDCG on validation so far over seconds, of the first seed, and names the lines at their ends."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    from tf_metammf.records.drawings import COLOURS, REFERENCE, drawing_style, page_svg, standalone_svg

    highest = {name: summary(seeds[0])["validation ndcg@20"] for name, seeds in found.items()}
    colours = dict(zip(OURS, COLOURS, strict=False))
    place = 0.0
    with drawing_style():
        figure = Figure(figsize=(9, 6), layout="constrained")
        axes = figure.subplots()
        for name in sorted(found, key=lambda name: highest[name]):
            times = [row["seconds"] for row in found[name][0]]
            best = np.maximum.accumulate([row["validation ndcg@20"] for row in found[name][0]])
            colour, width = colours.get(name, REFERENCE), 2.0 if name in colours else 0.8
            axes.plot(times, best, color=colour, linewidth=width, marker="o" if len(times) == 1 else None, markersize=4)
            # Names that would touch are pushed up.
            place = max(float(best[-1]), place + 0.032 * max(highest.values()))
            axes.annotate(
                name, (1.01, place), xycoords=axes.get_yaxis_transform(), color=colour, fontsize=8, va="center"
            )
        axes.set(xscale="log", xlabel="seconds of training with validation", ylabel="best NDCG@20 on validation so far")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        path.write_text(standalone_svg(page_svg(figure, title="Accuracy over time")), encoding="utf-8")
    print(f"drawn: {path.name}")


def _kept(arguments: argparse.Namespace, name: str, seed: int) -> list[dict[str, Any]]:
    """The epochs of a training, from the folder or of a process of its own."""
    kept = arguments.output / f"{name}-{seed}.json"
    if not kept.is_file():
        words = [f"--records={arguments.records}", f"--output={arguments.output}", f"--seconds={arguments.seconds}"]
        epochs = of_its_own_process("benchmarks.accuracy_over_time", *words, f"--train={name}", f"--seed={seed}")
        kept.write_text(json.dumps(epochs), encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def _mean(summaries: list[dict[str, float]], column: str) -> float:
    return statistics.mean(each[column] for each in summaries)


if __name__ == "__main__":
    main()
