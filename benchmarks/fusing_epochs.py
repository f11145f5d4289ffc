"""An epoch with each fusion over time beside one with the default fusion: seconds, and memory.

    python -m benchmarks.fusing_epochs [--repeats 5] [--tokens 32]

Items have two modalities of 128 values, the fusions their default settings. Epochs of all models are run in turn in one
process, so that a busy moment hits all alike; a ratio is that of two epochs side by side. Memory is the peak of the
first two steps, tracing included, beyond what is resident before, each in a process of its own. Writes
``results/fusing_epochs.json``.
"""

import argparse
import json
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.measurement import added_peak_mib, in_turn, of_its_own_process, ratios
from benchmarks.report import print_table, spread, write_report

USERS, ITEMS, INTERACTIONS, BATCH = 1_000, 1_000, 8_192, 1_024
WIDTHS = {"acoustic": 128, "visual": 128}
FUSIONS: dict[str, dict[str, Any]] = {
    "metammf": {"units": (256, 64)},
    "concatenation": {"units": (256, 64)},
    "pyramid": {},
    "queries": {},
    "metammf_tokens": {},
    "crossmodal": {},
}


def main() -> None:
    """Measures, prints the table and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--memory_of", choices=FUSIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(json.dumps(_added_memory(arguments.memory_of, arguments.tokens)))
        return
    memory = {name: _memory(name, arguments.tokens) for name in FUSIONS}
    times = in_turn({name: _epoch(name, arguments.tokens) for name in FUSIONS}, repeats=arguments.repeats)
    found = {
        name: {
            "seconds": spread(times[name]),
            "beside_metammf": ratios(times[name], times["metammf"]),
            "mib": memory[name],
        }
        for name in FUSIONS
    }
    rows = [
        [
            name,
            *(
                "{median:.3g} ({minimum:.3g}-{maximum:.3g})".format(**each[part])
                for part in ("seconds", "beside_metammf")
            ),
            each["mib"],
        ]
        for name, each in found.items()
    ]
    print_table("an epoch", ["fusion", "seconds", "beside metammf", "MiB"], rows)
    sizes = {"items": ITEMS, "interactions": INTERACTIONS, "batch_size": BATCH, "tokens": arguments.tokens}
    write_report("fusing_epochs", {"sizes": sizes, "repeats": arguments.repeats, "epochs": found})


def _epoch(name: str, tokens: int) -> Any:
    """A function that trains a model with a fusion for one epoch."""
    model, batches = _model(name, tokens)
    return lambda: model.fit(batches, verbose=0)


def _memory(name: str, tokens: int) -> float:
    return float(of_its_own_process("benchmarks.fusing_epochs", "--memory_of", name, "--tokens", str(tokens)))


def _added_memory(name: str, tokens: int) -> float:
    model, batches = _model(name, tokens)
    return added_peak_mib(lambda: model.fit(batches.take(2), verbose=0))


def _model(name: str, tokens: int) -> tuple[Any, Any]:
    import numpy as np
    import tensorflow as tf
    import tf_keras as keras

    from tf_metammf import MetaMMF
    from tf_metammf.records import TokenArrays

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    sequences = {
        modality: TokenArrays(
            random.standard_normal((ITEMS * tokens, width), dtype=np.float32),
            np.full(ITEMS, tokens),
            np.tile(np.arange(tokens, dtype=np.float32), ITEMS),
        )
        for modality, width in WIDTHS.items()
    }
    pairs = {"user": random.integers(USERS, size=INTERACTIONS), "item": random.integers(ITEMS, size=INTERACTIONS)}
    model = MetaMMF(
        USERS,
        sequences,
        "in_batch_softmax",
        item_frequency=np.bincount(pairs["item"], minlength=ITEMS),
        fusion=name,
        fusion_options=FUSIONS[name],
        id_units=64,
        combination="add",
        normalize=True,
    )
    model.compile(keras.optimizers.Adam(1e-3))
    return model, tf.data.Dataset.from_tensor_slices(pairs).batch(BATCH)


if __name__ == "__main__":
    main()
