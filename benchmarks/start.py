"""From the command line to an answer: `tf-metammf --help`, and the first training step with what it is spent on.

    python -m benchmarks.start [--repeats 5]

`--help` runs in turn with Python alone and with an import of the library that parses the command line. The
first step is that of `tf-metammf train` on random data of TikTok's numbers, preset default and the same with encoder
sage, taken apart: every repeat is a separate process, and the files are in the cache of the operating system.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measurement import in_turn, of_its_own_process
from benchmarks.report import print_table, spread, write_report

SHAPE = "TikTok"
ENCODERS = ("mf", "sage")
COMMANDS = {
    "tf-metammf --help": ["-m", "tf_metammf.commands.main", "--help"],
    "import jsonargparse": ["-c", "import jsonargparse"],
    "Python alone": ["-c", "pass"],
}


def main() -> None:
    """Measures, prints the tables and writes ``results/start.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--records", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--encoder", help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.records:
        print(json.dumps(first_step(arguments.records, arguments.encoder, started=arguments.started)))
        return
    commands = {name: spread(values) for name, values in command_seconds(repeats=arguments.repeats).items()}
    _print("Commands, seconds", commands)
    steps = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = _write_records(Path(scratch) / "records")
        for encoder in ENCODERS:
            runs = [_first_step_of_its_own_process(folder, encoder) for _ in range(arguments.repeats)]
            steps[encoder] = {part: spread([run[part] for run in runs]) for part in runs[0]}
            _print(f"First training step, encoder {encoder}, seconds", steps[encoder])
    write_report("start", {"repeats": arguments.repeats, "commands": commands, "first step": steps})


def command_seconds(*, repeats: int) -> dict[str, list[float]]:
    """Wall times of the command's help and of what it can cost at least."""

    def run(words: list[str]) -> None:
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)

    return in_turn({name: partial(run, words) for name, words in COMMANDS.items()}, repeats=repeats)


def first_step(folder: Path, encoder: str, *, started: float) -> dict[str, float]:
    """Seconds of everything up to the first training step, and of the second.

    Args:
        folder: The record set.
        encoder: The encoder of the model.
        started: When the process was started, as ``time.time()``.
    """
    clock = _Clock()
    clock.parts["start of Python"] = time.time() - started
    with clock.part("import TensorFlow and Keras"):
        from tf_metammf.commands.tensorflow import import_tensorflow

        import_tensorflow()
    with clock.part("import TFRS and this package"):
        from tf_metammf.parts.parts import settings_of
        from tf_metammf.records.record_set import open_record_set
        from tf_metammf.trainer.assembly import make_compiled_model
        from tf_metammf.trainer.configuration.configuration import load_configuration
        from tf_metammf.trainer.planning.training_plan import TrainingPlan
        from tf_metammf.trainer.training_batches import TrainingBatches
        from tf_metammf.trainer.training_data import TrainingData
    configuration = load_configuration("default")
    configuration.model.encoder = settings_of("encoder", encoder)()
    with clock.part("reading the record set"):
        record_set = open_record_set(folder)
        plan = TrainingPlan.of(configuration, record_set)
        data = TrainingData.of(record_set, plan)
        _ = data.item_features()
    with clock.part("building the model"):
        model = make_compiled_model(plan, data)
    with clock.part("input pipeline, first batch"):
        batches = iter(TrainingBatches(plan, data).beginning_at())
        next(batches)
    train = model.make_train_function()
    with clock.part("tracing the step"):
        train.get_concrete_function(batches)
    with clock.part("first step"):
        train(batches)["loss"].numpy()
    total = sum(clock.parts.values())
    with clock.part("second step, beyond the total"):
        train(batches)["loss"].numpy()
    return {**clock.parts, "total up to the first step": total}


class _Clock:
    """Seconds by part, in their order."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.parts[name] = time.perf_counter() - started


def _write_records(folder: Path) -> Path:
    from benchmarks.epoch import SHAPES, synthetic_record_set

    return synthetic_record_set(SHAPES[SHAPE], folder).folder


def _first_step_of_its_own_process(folder: Path, encoder: str) -> dict[str, float]:
    arguments = ["--records", str(folder), "--encoder", encoder, "--started", str(time.time())]
    parts: dict[str, float] = of_its_own_process("benchmarks.start", *arguments)
    return parts


def _print(title: str, spreads: dict[str, Any]) -> None:
    rows = [[name, *(value[key] for key in ("median", "minimum", "maximum"))] for name, value in spreads.items()]
    print_table(title, ["", "median", "minimum", "maximum"], rows)


if __name__ == "__main__":
    main()
