"""Token sequences: written and read in constant memory, and a training step against one on pooled vectors.

    python -m benchmarks.tokens [--items 100000] [--tokens 16] [--width 256] [--repeats 5]

Sequences are drawn when they are written and dropped when they were read, so that memory is that of writer and reader.
Each of them is a separate process; its memory is the peak beyond what is resident before. Beside their speed stands
that of plain files of as many bytes, written and read in blocks of 4 MiB, and how many times as long a byte takes.
What is read comes from the disk: before each reading the operating system is told to forget the files.

A training step (MetaMMF with fusion layers 256-64, in-batch softmax of 2,048) streams its features from disk: vectors
of a record set of vectors, means of the sequences, which is what fusions of vectors get, and the sequences themselves,
for a fusion that does nothing but average them. Writes ``results/tokens.json``.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import added_peak_mib, in_turn, of_its_own_process, ratios, seconds
from benchmarks.report import print_table, spread, write_report
from tf_metammf import records
from tf_metammf.records.token_arrays import SequenceFeatures, TokenArrays

BATCH_SIZE, ITEMS_AT_ONCE, BLOCK_BYTES = 2_048, 256, 2**22
STORED = ("float32", "float16")


class DrawnSequences(SequenceFeatures):
    """Random sequences of one length, drawn when they are asked for."""

    def __init__(self, items: int, tokens: int, width: int) -> None:
        self._sizes = items, tokens, width

    @property
    def token_counts(self) -> NDArray[np.int64]:
        """The same for all items."""
        return np.full(self._sizes[0], self._sizes[1])

    @property
    def shape(self) -> tuple[int, int]:
        """``(items, width)``."""
        return self._sizes[0], self._sizes[2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Float32."""
        return np.dtype(np.float32)

    @property
    def has_times(self) -> bool:
        """Every token has one."""
        return True

    def __getitem__(self, rows: Any) -> TokenArrays:
        _, tokens, width = self._sizes
        values = np.random.default_rng(int(rows[0]) if len(rows) else 0).random((len(rows) * tokens, width), np.float32)
        return TokenArrays(values, np.full(len(rows), tokens), np.tile(np.arange(tokens, dtype=np.float32), len(rows)))


def main() -> None:
    """Measures, prints the tables and writes ``results/tokens.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--part", choices=("write", "read", "step"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(globals()[f"_{arguments.part}"](arguments)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        words = [f"--{name}={getattr(arguments, name)}" for name in ("items", "tokens", "width", "repeats")]
        found = {
            part: of_its_own_process("benchmarks.tokens", *words, f"--part={part}", f"--folder={scratch}")
            for part in ("write", "read", "step")
        }
    rows = []
    for part in ("write", "read"):
        plain = found[part]["plain file"]
        for kind, each in found[part].items():
            each["of_plain"] = each["seconds"] / each["bytes"] * plain["bytes"] / plain["seconds"]
            speed = each["bytes"] / each["seconds"] / 2**20
            rows.append([f"{part}, {kind}", each["seconds"], speed, each["of_plain"], each["peak_mib"]])
    title = f"{arguments.items:,} items of {arguments.tokens} tokens of {arguments.width} values"
    print_table(title, ["", "s", "MiB/s", "plain file = 1", "added peak, MiB"], rows)
    steps = found["step"]
    step_rows = [[name, each["median"], each["minimum"], each["maximum"]] for name, each in steps["seconds"].items()]
    print_table(f"training step of {BATCH_SIZE:,}, s", ["features", "median", "minimum", "maximum"], step_rows)
    for name, each in steps["ratio"].items():
        print(f"{name} / vectors: {each['median']:.2f}")
    sizes = {name: getattr(arguments, name) for name in ("items", "tokens", "width", "repeats")}
    write_report("tokens", {**sizes, "batch_size": BATCH_SIZE, **found})


def _write(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Writes the record sets, and a plain file of as many bytes as the first."""
    found = {}
    for stored in STORED:
        folder = arguments.folder / stored
        started = time.perf_counter()
        peak = added_peak_mib(lambda folder=folder, stored=stored: _written(folder, arguments, stored_dtype=stored))
        found[stored] = {"seconds": time.perf_counter() - started, "peak_mib": peak, "bytes": _bytes(folder)}
    size = found[STORED[0]]["bytes"]
    block = np.random.default_rng(0).bytes(BLOCK_BYTES)

    def write_plain() -> None:
        with (arguments.folder / "plain").open("wb") as file:
            for _ in range(size // BLOCK_BYTES):
                file.write(block)
            os.fsync(file.fileno())

    peak = added_peak_mib(lambda: found.setdefault("plain file", {"seconds": seconds(write_plain)}))
    found["plain file"] |= {"peak_mib": peak, "bytes": size}
    return found


def _read(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Reads all items in batches, as sequences and as their means, and the plain file."""
    found: dict[str, dict[str, float]] = {}
    for stored in STORED:
        record_set = records.open_record_set(arguments.folder / stored)
        for form in ("tokens", "vectors"):

            def read(record_set: records.RecordSet = record_set, form: Any = form) -> None:
                for _ in records.items(record_set, batch_size=ITEMS_AT_ONCE, form=form):
                    pass

            name = f"{stored}, {form}"
            _forget(record_set.folder)
            peak = added_peak_mib(lambda name=name, read=read: found.setdefault(name, {"seconds": seconds(read)}))
            found[name] |= {"peak_mib": peak, "bytes": _bytes(record_set.folder)}

    def read_plain() -> None:
        with (arguments.folder / "plain").open("rb") as file:
            while file.read(BLOCK_BYTES):
                pass

    _forget(arguments.folder)
    peak = added_peak_mib(lambda: found.setdefault("plain file", {"seconds": seconds(read_plain)}))
    found["plain file"] |= {"peak_mib": peak, "bytes": (arguments.folder / "plain").stat().st_size}
    return found


def _step(arguments: argparse.Namespace) -> dict[str, Any]:
    """Training steps on vectors, on means of sequences and on sequences, in turn."""
    import tensorflow as tf

    from tf_metammf import MetaMMF, TokenFusion

    class Mean(TokenFusion):
        """The mean over the tokens, projected."""

        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.kernel = self.add_weight("kernel", (sum(self.widths), self.units[-1]))

        def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> tf.Tensor:
            return tf.matmul(tf.concat([each.means() for each in inputs.values()], axis=1), self.kernel)

    sequences = records.open_record_set(arguments.folder / STORED[0])
    rows = np.random.default_rng(0).random((arguments.items, arguments.width), np.float32)
    vectors = records.write_record_set(
        _raw_data(arguments, records.ModalityFeatures(rows, np.arange(arguments.items))),
        {"train": _interactions(arguments)},
        arguments.folder / "vectors",
    )
    sides = {
        "vectors": (records.ItemLookup(vectors), "metammf"),
        "means of sequences": (records.ItemLookup(sequences, form="vectors"), "metammf"),
        "sequences": (records.ItemLookup(sequences), Mean(units=(64,))),
    }
    runs, counts = {}, np.bincount(_interactions(arguments).item, minlength=arguments.items)
    for name, (lookup, fusion) in sides.items():
        options = {"units": (256, 64), "meta_hidden_units": 256} if fusion == "metammf" else None
        model = MetaMMF(
            _users(arguments), lookup, "in_batch_softmax", fusion=fusion, fusion_options=options, item_frequency=counts
        )
        model.compile("adam")
        runs[name] = _endless(model, vectors, lookup)
    times = in_turn({name: lambda steps=steps: next(steps) for name, steps in runs.items()}, repeats=arguments.repeats)
    return {
        "seconds": {name: spread(values) for name, values in times.items()},
        "ratio": {name: ratios(times[name], times["vectors"]) for name in list(times)[1:]},
    }


def _endless(model: Any, record_set: records.RecordSet, lookup: records.ItemLookup) -> Iterator[None]:
    batches = records.interactions(
        record_set, batch_size=BATCH_SIZE, shuffle_seed=0, epochs=None, item_features=lookup, drop_remainder=True
    )
    step = model.make_train_function()
    iterator = iter(batches)
    while True:
        step(iterator)
        yield


def _written(folder: Path, arguments: argparse.Namespace, *, stored_dtype: str) -> None:
    sequences = DrawnSequences(arguments.items, arguments.tokens, arguments.width)
    data = _raw_data(arguments, records.ModalityFeatures(sequences, np.arange(arguments.items)))
    records.write_record_set(data, {"train": data.interactions}, folder, stored_dtype=stored_dtype)


def _raw_data(arguments: argparse.Namespace, features: records.ModalityFeatures) -> records.RawData:
    return records.RawData(
        name="tokens",
        user_ids=[str(user) for user in range(_users(arguments))],
        item_ids=[str(item) for item in range(arguments.items)],
        interactions=_interactions(arguments),
        modalities={"visual": features},
    )


def _interactions(arguments: argparse.Namespace) -> records.Interactions:
    random, count = np.random.default_rng(1), max(10 * arguments.items, 2 * BATCH_SIZE)
    return records.Interactions(
        random.integers(_users(arguments), size=count), random.integers(arguments.items, size=count)
    )


def _users(arguments: argparse.Namespace) -> int:
    return max(arguments.items // 5, 1)


def _forget(folder: Path) -> None:
    """Drops the files of a folder from the cache of the operating system."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "items").iterdir())


if __name__ == "__main__":
    main()
