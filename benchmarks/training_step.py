"""One training step of MetaMMF_MF: what it grows with, what lazy Adam saves, what 16 bits and XLA bring.

    python -m benchmarks.training_step [--repeats 15] [--quick]

Four tables, each with its sides in turn in one process:

* a step on 4,096 interactions of a skewed catalogue, which fuses and scores every item once; beside it the same
  with the loss of tfrs.tasks.Retrieval, which scores every interaction, and with every interaction fused too;
* steps by distinct items and by interactions, the other one fixed, with the exponents of the growth;
* steps by number of users, ID embeddings 64 wide, by lazy Adam and by Adam of Keras. 10 million users take
  8 GB, so Keras, whose step reads and writes all of it, stops at 1 million;
* steps in float32, bfloat16 and float16, with and without XLA, by encoder.

Fusion has the published sizes in the last table (2,276 wide, layers 1024-512-256-32) and those of `default`
elsewhere (256 wide, layers 256-64).
"""

import argparse
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks.measurement import Run, growth_exponent, in_turn
from benchmarks.report import print_table, spread, write_report
from tf_metammf import InBatchSoftmax, InteractionGraph, LazyAdam, MetaMMF

import tensorflow_recommenders as tfrs  # isort: skip - after the package, which chooses Keras 2

SEED = 0
ITEMS = 20_000
WIDTH = 256
INTERACTIONS = 4_096


def main() -> None:
    """Measures, prints the tables and writes ``results/training_step.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="Small sizes; writes nothing.")
    arguments = parser.parse_args()
    repeats, quick = arguments.repeats, arguments.quick
    results = {
        "skewed": _skewed(repeats),
        "growth": _growth(repeats),
        "users": _users((100_000, 200_000) if quick else (100_000, 1_000_000, 10_000_000), repeats),
        "precision": _precision(repeats, quick=quick),
    }
    if not quick:
        settings = {"seed": SEED, "repeats": repeats, "items": ITEMS, "width": WIDTH, "interactions": INTERACTIONS}
        write_report("training_step", {"settings": settings, **results})


def _skewed(repeats: int) -> dict[str, Any]:
    model = _model(users=10_000)
    share = 1 / np.arange(1, ITEMS + 1)
    items = np.random.default_rng(SEED).choice(ITEMS, INTERACTIONS, p=share / share.sum())
    steps = {
        "every item fused and scored once": _step(model, items),
        "every item fused once, tfrs.tasks.Retrieval": _step(model, items, way="fused once"),
        "every interaction, tfrs.tasks.Retrieval": _step(model, items, way="every interaction"),
    }
    seconds, distinct = _in_turn(steps, repeats), len(np.unique(items))
    least = next(iter(seconds.values()))["median"]
    rows = [[name, *_row(each), each["median"] / least] for name, each in seconds.items()]
    title = f"a step on {INTERACTIONS:,} interactions with {distinct:,} distinct items, ms"
    print_table(title, ["", *_COLUMNS, "to the first"], rows)
    return {"distinct": distinct, "seconds": seconds}


def _growth(repeats: int) -> dict[str, Any]:
    model = _model(users=10_000)
    by = {
        "distinct items": {n: (n, INTERACTIONS) for n in (512, 1_024, 2_048, 4_096)},
        "interactions": {n: (512, n) for n in (512, 1_024, 2_048, 4_096)},
    }
    results = {}
    for name, sizes in by.items():
        steps = {
            str(n): _step(model, np.resize(np.arange(distinct), interactions))
            for n, (distinct, interactions) in sizes.items()
        }
        seconds = _in_turn(steps, repeats)
        fitted = growth_exponent(list(sizes), [seconds[str(n)]["median"] for n in sizes])
        print_table(
            f"a step by {name}, ms; time grows with {name} ** {fitted:.2f}",
            [name, *_COLUMNS],
            [[f"{n:,}", *_row(seconds[str(n)])] for n in sizes],
        )
        results[name] = {"seconds": seconds, "exponent": fitted}
    return results


def _users(counts: tuple[int, ...], repeats: int) -> dict[str, Any]:
    optimizers = {"LazyAdam": lambda: LazyAdam(lazy_rows=100_000), "Keras' Adam": keras.optimizers.Adam}
    items = np.random.default_rng(SEED).integers(0, ITEMS, 2_048)
    results = {}
    for users in counts:
        for name, optimizer in optimizers.items():
            if name != "LazyAdam" and users > 1_000_000:
                continue
            step = _step(_model(users=users, optimizer=optimizer()), items)
            results[f"{name}, {users:,} users"] = _in_turn({"step": step}, repeats)["step"]
            del step
            keras.backend.clear_session()
    least = results[f"LazyAdam, {counts[0]:,} users"]["median"]
    rows = [[name, *_row(seconds), seconds["median"] / least] for name, seconds in results.items()]
    print_table("a step on 2,048 interactions, ms", ["", *_COLUMNS, "to the first"], rows)
    return results


def _precision(repeats: int, *, quick: bool) -> dict[str, Any]:
    sizes = {"width": 256, "units": (256, 64)} if quick else {"width": 2_276, "units": (1_024, 512, 256, 32)}
    items = np.random.default_rng(SEED).integers(0, ITEMS, 1_024)
    results = {}
    for encoder in ("mf", "sage", "lightgcn"):
        options: dict[str, Any] = sizes | {"users": 10_000, "items": 1_000, "encoder": encoder}
        steps = {
            f"{policy}{', XLA' if jit_compile else ''}": _step(
                _model(dtype=policy, jit_compile=jit_compile, **options), items % 1_000
            )
            for policy in ("float32", "mixed_bfloat16", "mixed_float16")
            for jit_compile in (False, True)
        }
        seconds = _in_turn(steps, repeats)
        least = seconds["float32"]["median"]
        rows = [[name, *_row(each), each["median"] / least] for name, each in seconds.items()]
        print_table(f"a step of {encoder} on 1,024 interactions, ms", ["", *_COLUMNS, "to float32"], rows)
        results[encoder] = seconds
    return results


def _model(
    *,
    users: int,
    items: int = ITEMS,
    width: int = WIDTH,
    units: tuple[int, ...] = (256, 64),
    encoder: str = "mf",
    optimizer: Any = None,
    **options: Any,
) -> MetaMMF:
    random = np.random.default_rng(SEED)
    edges = random.integers(0, users, 50_000), random.integers(0, items, 50_000)
    graph = {} if encoder == "mf" else {"graph": InteractionGraph(*edges, users=users, items=items)}
    model = MetaMMF(
        users,
        {"visual": random.normal(size=(items, width)).astype(np.float32)},
        InBatchSoftmax(np.ones(items, np.int64), temperature=0.2),
        fusion_options={"units": units},
        encoder=encoder,
        encoder_options=graph,
        id_units=units[-1],
        combination="add",
        normalize=True,
        **options,
    )
    model.compile(optimizer=optimizer or keras.optimizers.Adam(1e-3))
    return model


def _step(model: MetaMMF, items: np.ndarray, *, way: str = "ours") -> Run:
    """A compiled training step on interactions with the given items: ours, or with the loss of TFRS."""
    random = np.random.default_rng(SEED)
    batch = {
        "user": tf.constant(random.integers(0, model.users, len(items)), tf.int64),
        "item": tf.constant(random.permutation(items), tf.int64),
    }

    retrieval = tfrs.tasks.Retrieval(temperature=0.2, remove_accidental_hits=True)
    probability = tf.fill([len(items)], 1.0 / model.items)

    @tf.function
    def step(batch: dict[str, tf.Tensor]) -> Any:
        if way == "ours":
            return model.train_step(batch)["loss"]
        with tf.GradientTape() as tape:
            if way == "fused once":
                distinct, position = tf.unique(batch["item"])
                queries, fused = model.embed(batch["user"], distinct, training=True)
                candidates = tf.gather(fused, position)
            else:
                queries, candidates = model.embed(batch["user"], batch["item"], training=True)
            loss = retrieval(
                queries,
                candidates,
                candidate_ids=batch["item"],
                candidate_sampling_probability=probability,
                compute_metrics=False,
            ) / len(items)
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return lambda: step(batch).numpy()


def _in_turn(steps: dict[str, Run], repeats: int) -> dict[str, dict[str, float]]:
    return {name: spread(values) for name, values in in_turn(steps, repeats=repeats).items()}


_COLUMNS = ("median", "minimum", "maximum")


def _row(seconds: dict[str, float]) -> list[float]:
    return [1e3 * seconds[key] for key in _COLUMNS]


if __name__ == "__main__":
    main()
