"""One fusion step, forward, backward and Adam, against materialised kernels and against its matrix products alone.

    python -m benchmarks.fusion [--quick]

Published sizes: 2,276 features an item, layers 1024-512-256-32, S = 5, R = 16, full tensors beside. All sides have
the same features and weights and run in turn in one process; the peak memory of a side is that of a process of
its own, beyond what is resident before its first step, compiling included.

"materialised, one einsum" builds the kernels of all rows, ``[B, in, out]``, as the equation stands in the paper;
"materialised, batched" is the fastest way found to build them (with full tensors there is none faster than einsum).
"products" are the matrix products that the parts shared by all items need, as plain `tf.matmul` in one graph: forward,
with respect to the weights, and with respect to the inputs but for the features. Of the decomposition only ``x M``
counts, of full tensors ``x T[s]`` too. "products and update" is the same with the Adam update of all weights.

The published model fuses the whole catalogue in every step. Its kernels of 5,986 items, 56 GB, are built here 64 items
at a time, gradients added up, one step measured once.
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks.measurement import Run, added_peak_mib, in_turn, of_its_own_process, ratios, seconds
from benchmarks.report import print_table, spread, write_report
from tf_metammf.fusion.meta_dense import MetaDense
from tf_metammf.fusion.meta_fusion import MetaFusion
from tf_metammf.optimizers.fused_adam import FusedAdam

FEATURES = 2_276
CATALOGUE = 5_986
RANK = 16
SEED = 0
BLOCK = 64

Fuse = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """Items of a step, and the rank of the decomposition or None for full tensors."""

    items: int
    rank: int | None
    repeats: int

    @property
    def materialised(self) -> tuple[str, ...]:
        """The ways to materialise kernels that fit into memory."""
        if self.items > 1_000:
            return ()
        return ("one einsum", "batched") if self.rank else ("one einsum",)


CASES = {
    "CP, 64 items": Case(64, RANK, repeats=9),
    "CP, 256 items": Case(256, RANK, repeats=9),
    "tensor, 64 items": Case(64, None, repeats=9),
    "tensor, 256 items": Case(256, None, repeats=5),
    "CP, whole catalogue": Case(CATALOGUE, RANK, repeats=5),
    "tensor, whole catalogue": Case(CATALOGUE, None, repeats=3),
}
QUICK = ("CP, 64 items", "tensor, 64 items")


def main() -> None:
    """Measures, prints the tables and writes ``results/fusion.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="64 items alone; writes nothing.")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        case = CASES[arguments.case]
        print(json.dumps(peak_mib(case, arguments.memory) if arguments.memory else compare(case)))
        return
    names = QUICK if arguments.quick else tuple(CASES)
    results = {name: _measured(name) for name in names}
    _print(results)
    if arguments.quick:
        return
    published = published_step()
    print(f"{CATALOGUE:,} items, materialised {BLOCK} at a time, CP: {published:.3g} s a step, measured once")
    settings = {"features": FEATURES, "rank": RANK, "seed": SEED}
    write_report("fusion", {"settings": settings, "cases": results, "published_step_seconds": published})


def compare(case: Case) -> dict[str, Any]:
    """Seconds of all sides, and the ratios that matter, as plain JSON values."""
    sides = steps(case)
    times = in_turn(sides, repeats=case.repeats)
    ours = times["fusion step"]
    return {
        "case": asdict(case),
        "seconds": {name: spread(values) for name, values in times.items()},
        "to products": ratios(times["forward and backward"], times["products"]),
        "to products and update": ratios(ours, times["products and update"]),
        "fastest to fastest products and update": min(ours) / min(times["products and update"]),
        "times faster": {way: ratios(times[f"materialised, {way}"], ours) for way in case.materialised},
    }


def steps(case: Case) -> dict[str, Run]:
    """All sides, each with its own weights, from the same seed."""
    features, gradient = _batch(case.items)
    sides = {"fusion step": _step(case), "forward and backward": _step(case, update=False)}
    sides |= {"products and update": _products(case), "products": _products(case, update=False)}
    for way in case.materialised:
        _require_equal(case, way, features)
        sides[f"materialised, {way}"] = _step(case, way=way)
    return {name: _finished(step, features, gradient) for name, step in sides.items()}


def peak_mib(case: Case, side: str) -> float:
    """Peak memory that three steps of one side add."""
    features, gradient = _batch(case.items)
    step = _step(case, way=None if side == "fusion step" else side)
    run = _finished(step, features, gradient)
    return added_peak_mib(lambda: [run() for _ in range(3)])


def published_step() -> float:
    """Seconds of a step over the whole catalogue with materialised kernels, a block of items at a time."""
    fusion = _fusion(RANK)
    weights = fusion.trainable_weights
    sums = [tf.Variable(tf.zeros_like(weight)) for weight in weights]
    optimizer = _optimizer(weights)

    @tf.function(autograph=False)
    def add_block(features: Any, gradient: Any) -> None:
        with tf.GradientTape() as tape:
            fused = materialised(fusion, features, "batched")
        for total, found in zip(sums, tape.gradient(fused, weights, output_gradients=gradient), strict=True):
            total.assign_add(found)

    def step() -> None:
        for start in range(0, CATALOGUE, BLOCK):
            add_block(features[start : start + BLOCK], gradient[start : start + BLOCK])
        optimizer.apply_gradients(zip(sums, weights, strict=True))

    features, gradient = _batch(CATALOGUE)
    add_block(features[:BLOCK], gradient[:BLOCK])
    return seconds(step)


def materialised(fusion: MetaFusion, features: Any, way: str) -> Any:
    """The fusion with a kernel built for every row and layer, ``[B, in, out]``."""
    meta_information = fusion.extract_meta_information(features)
    fused = features
    for position, layer in enumerate(fusion.fusion_layers):
        kernels = layer.static_kernel + _generated(layer, meta_information, way)
        fused = tf.squeeze(tf.matmul(fused[:, tf.newaxis], kernels), axis=1)
        if position < len(fusion.fusion_layers) - 1:
            fused = tf.nn.leaky_relu(fused, fusion.negative_slope)
    return fused


def products(fusion: MetaFusion, features: Any, gradient: Any) -> tuple[list[Any], list[Any]]:
    """The results of all matrix products, forward and with respect to inputs; those with respect to weights."""
    information = fusion.meta_information
    hidden = tf.matmul(features, information.hidden_kernel)
    meta = tf.matmul(hidden, information.kernel)
    to_hidden = tf.matmul(meta, information.kernel, transpose_b=True)
    weights = {information.kernel.ref(): tf.matmul(hidden, meta, transpose_a=True)}
    weights[information.hidden_kernel.ref()] = tf.matmul(features, to_hidden, transpose_a=True)
    inputs, others = [features], [meta]
    for layer in fusion.fusion_layers:
        inputs.append(tf.matmul(inputs[-1], layer.static_kernel))
        if layer.rank is None:
            others.append(tf.matmul(inputs[-2][tf.newaxis], layer.tensor))
            weights[layer.tensor.ref()] = tf.matmul(inputs[-2][tf.newaxis], others[-1], transpose_a=True)
            if layer is not fusion.fusion_layers[0]:
                others.append(tf.matmul(others[-1], layer.tensor, transpose_b=True))
    for position in reversed(range(len(fusion.fusion_layers))):
        kernel = fusion.fusion_layers[position].static_kernel
        weights[kernel.ref()] = tf.matmul(inputs[position], gradient, transpose_a=True)
        if position:
            gradient = tf.matmul(gradient, kernel, transpose_b=True)
            others.append(gradient)
    return others, [weights.get(weight.ref(), tf.zeros(weight.shape)) for weight in fusion.trainable_weights]


def _generated(layer: MetaDense, meta_information: Any, way: str) -> Any:
    if layer.rank is None:
        return tf.einsum("bs,sio->bio", meta_information, layer.tensor)
    coordinates = tf.matmul(meta_information, layer.factor_c)
    if way == "one einsum":
        return tf.einsum("br,ir,ro->bio", coordinates, layer.factor_a, layer.factor_b)
    return tf.matmul(layer.factor_a * coordinates[:, tf.newaxis], layer.factor_b)


def _step(case: Case, *, way: str | None = None, update: bool = True) -> Callable[[Any, Any], Any]:
    fusion = _fusion(case.rank)
    weights = fusion.trainable_weights
    optimizer = _optimizer(weights)
    fuse: Fuse = fusion if way is None else lambda features: materialised(fusion, features, way)

    @tf.function(autograph=False)
    def step(features: Any, gradient: Any) -> Any:
        with tf.GradientTape() as tape:
            fused = fuse(features)
        gradients = tape.gradient(fused, weights, output_gradients=gradient)
        if not update:
            return fused, gradients
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return fused

    return step


def _products(case: Case, *, update: bool = True) -> Callable[[Any, Any], Any]:
    fusion = _fusion(case.rank)
    weights = fusion.trainable_weights
    optimizer = _optimizer(weights)

    @tf.function(autograph=False)
    def step(features: Any, gradient: Any) -> Any:
        others, gradients = products(fusion, features, gradient)
        if not update:
            return others, gradients
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return others

    return step


def _finished(step: Callable[[Any, Any], Any], features: Any, gradient: Any) -> Run:
    # With a device, the step has finished when what it returns is here.
    return lambda: tf.nest.map_structure(lambda tensor: tensor[:1].numpy(), step(features, gradient))


def _require_equal(case: Case, way: str, features: Any) -> None:
    fusion = _fusion(case.rank)
    if not np.allclose(materialised(fusion, features, way), fusion(features), rtol=1e-3, atol=1e-4):
        raise AssertionError(f"materialised kernels, {way}, compute something else")


def _fusion(rank: int | None) -> MetaFusion:
    keras.utils.set_random_seed(SEED)
    fusion = MetaFusion(rank=rank)
    fusion.build([None, FEATURES])
    return fusion


def _optimizer(weights: list[Any]) -> FusedAdam:
    optimizer = FusedAdam(1e-3)
    optimizer.build(weights)
    return optimizer


def _batch(items: int) -> tuple[Any, Any]:
    random = np.random.default_rng(SEED)
    features = random.normal(size=(items, FEATURES))
    return tf.constant(features, tf.float32), tf.constant(random.normal(size=(items, 32)), tf.float32)


def _measured(name: str) -> dict[str, Any]:
    result: dict[str, Any] = of_its_own_process("benchmarks.fusion", "--case", name)
    sides = ("fusion step", *CASES[name].materialised)
    result["added_peak_mib"] = {
        side: of_its_own_process("benchmarks.fusion", "--case", name, "--memory", side) for side in sides
    }
    return result


def _print(results: dict[str, Any]) -> None:
    rows = []
    for name, result in results.items():
        for side, values in result["seconds"].items():
            memory = result["added_peak_mib"].get(side.removeprefix("materialised, "), "")
            step = result["seconds"]["fusion step"]["median"]
            times = [1e3 * values[key] for key in ("median", "minimum", "maximum")]
            rows.append([name, side, *times, values["median"] / step, memory])
    columns = ["case", "side", "median ms", "minimum", "maximum", "to fusion step", "added peak MiB"]
    print_table("Fusion: forward, backward, update", columns, rows)
    rows = [
        [
            name,
            result["to products"]["median"],
            result["to products and update"]["median"],
            result["fastest to fastest products and update"],
            *_materialised(result),
        ]
        for name, result in results.items()
    ]
    columns = ["case", "to products", "with update", "of the fastest", "faster than einsum", "than batched", "memory"]
    print_table("Medians of ratios of steps measured in turn", columns, rows)


def _materialised(result: dict[str, Any]) -> list[Any]:
    faster = [result["times faster"].get(way, {"median": ""})["median"] for way in ("one einsum", "batched")]
    memory = dict(result["added_peak_mib"])
    ours = memory.pop("fusion step")
    return [*faster, ours / min(memory.values()) if memory else ""]


if __name__ == "__main__":
    main()
