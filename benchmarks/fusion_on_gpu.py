"""The fusion step on a GPU that has JAX and no TensorFlow: compiled here to HLO, run there by JAX's own XLA client.

    python -m benchmarks.fusion_on_gpu export --output DIR [--items 256 2048 8192]     where TensorFlow is
    python benchmarks/fusion_on_gpu.py run --input DIR [--repeats 20]                  where JAX is, and nothing of ours

Forward and backward of MetaMMF's fusion at the published sizes (2,276 features an item, layers 1024-512-256-32, S = 5,
R = 16), float32 and bfloat16, and beside it the same step with materialised kernels ``[B, in, out]``, where they fit
into memory. ``export`` writes for every case the HLO that TensorFlow gives XLA, the arrays (seeded, so that they are
small to carry), and what this processor computes. ``run`` compiles and runs them, compares the numbers, and prints
milliseconds, share of the chip's peak and memory, as JSON on its last line. ``run`` takes less than five minutes.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

FEATURES = 2_276
UNITS = (1024, 512, 256, 32)
META_UNITS, RANK = 5, 16
SEED = 0
MATERIALISED_BYTES = 24 * 2**30
"""Kernels of a step that are still built; they are held twice, forward and backward."""

PEAK_FLOPS = {"float32": 66.9e12, "bfloat16": 989.4e12}
"""Of an H100 or H200 SXM without sparsity (NVIDIA data sheets): float32 outside tensor cores, bfloat16 on them."""


def main() -> None:
    """Exports the cases, or runs them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export")
    export.add_argument("--output", type=Path, required=True)
    export.add_argument("--items", type=int, nargs="+", default=[256, 2048, 8192])
    export.add_argument("--features", type=int, default=FEATURES, help="Less for a trial.")
    run = commands.add_parser("run")
    run.add_argument("--input", type=Path, required=True)
    run.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.command == "export":
        export_cases(arguments.output, arguments.items, arguments.features)
    else:
        run_cases(arguments.input, arguments.repeats)


def export_cases(output: Path, items: list[int], features: int) -> None:
    """Writes ``NAME.hlo``, ``NAME.npz`` (what this processor computes) and ``cases.json``."""
    output.mkdir(parents=True, exist_ok=True)
    cases = []
    for size in items:
        for dtype in ("float32", "bfloat16"):
            for kernels in ("generated", "materialised"):
                if kernels == "materialised" and materialised_bytes(size, features) > MATERIALISED_BYTES:
                    continue
                cases.append(_export(output, size, features, dtype, kernels))
                print(cases[-1]["name"], flush=True)
    (output / "cases.json").write_text(json.dumps(cases, indent=2), encoding="utf-8")


def materialised_bytes(items: int, features: int) -> int:
    """What the kernels of all items take in float32."""
    return 4 * items * sum(before * after for before, after in zip((features, *UNITS), UNITS, strict=False))


def step_flops(items: int, features: int) -> float:
    """Multiplications and additions of forward and backward of the step with generated kernels, in its matrix products.

    Backward takes the products with respect to weights and inputs, but for the inputs of what looks at features first.
    """
    products = [(features, features, 2), (features, META_UNITS, 3)]
    for layer, (before, after) in enumerate(zip((features, *UNITS), UNITS, strict=False)):
        times = 2 if layer == 0 else 3
        products += [(before, after, times), (before, RANK, times), (RANK, after, 3), (META_UNITS, RANK, 3)]
    return 2.0 * items * sum(before * after * times for before, after, times in products)


def inputs(items: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and the gradient of the fused vectors, the same wherever they are made."""
    random = np.random.default_rng(SEED)
    rows = random.normal(size=(items, features)).astype(np.float32)
    return rows, random.normal(size=(items, UNITS[-1])).astype(np.float32)


def weights(shapes: list[list[int]]) -> list[np.ndarray]:
    """Weights of the given shapes, the same wherever they are made."""
    random = np.random.default_rng(SEED + 1)
    found = []
    for shape in shapes:
        scale = 1 / math.sqrt(max(1, shape[0])) if len(shape) > 1 else 0.0
        found.append((scale * random.normal(size=shape)).astype(np.float32))
    return found


def _export(output: Path, items: int, features: int, dtype: str, kernels: str) -> dict[str, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf
    import tf_keras as keras

    from tf_metammf.fusion.meta_fusion import MetaFusion

    policy = "float32" if dtype == "float32" else "mixed_bfloat16"
    fusion = MetaFusion(units=UNITS, meta_units=META_UNITS, rank=RANK, dtype=keras.mixed_precision.Policy(policy))
    rows, gradient = (tf.constant(values) for values in inputs(items, features))
    fusion({"features": rows[:1]})
    variables = fusion.trainable_variables
    for variable, value in zip(variables, weights([list(each.shape) for each in variables]), strict=True):
        variable.assign(value)

    def fused(features: tf.Tensor) -> tf.Tensor:
        if kernels == "generated":
            return fusion({"features": features})
        return _materialised(tf, fusion, features)

    @tf.function(jit_compile=True)
    def step(features: tf.Tensor, gradient: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            vectors = tf.cast(fused(features), tf.float32)
            loss = tf.reduce_sum(vectors * gradient)
        return [
            vectors,
            *(tf.cast(each, tf.float32) for each in tape.gradient(loss, variables, unconnected_gradients="zero")),
        ]

    name = f"{kernels}-{dtype}-{items}"
    hlo = step.experimental_get_compiler_ir(rows, gradient)(stage="hlo_serialized")
    (output / f"{name}.hlo").write_bytes(hlo)
    captured = step.get_concrete_function(rows, gradient).captured_inputs
    order = [next(place for place, each in enumerate(variables) if each.handle is handle) for handle in captured]
    computed = step(rows, gradient)
    # Sums tell as much as the arrays, which would be large to carry.
    np.savez(output / f"{name}.npz", vectors=computed[0].numpy(), norms=[float(tf.norm(each)) for each in computed])
    return {
        "name": name,
        "items": items,
        "features": features,
        "dtype": dtype,
        "kernels": kernels,
        "weights": [list(each.shape) for each in variables],
        "captured": order,
        "flops": step_flops(items, features),
    }


def _materialised(tf: Any, fusion: Any, features: Any) -> Any:
    """The same fusion with a kernel built for every item."""
    vectors = tf.cast(features, fusion.compute_dtype)
    meta = fusion.meta_information(vectors)
    for layer, dense in enumerate(fusion.fusion_layers):
        kernel, a, b, c = (
            tf.cast(each, fusion.compute_dtype)
            for each in (dense.static_kernel, dense.factor_a, dense.factor_b, dense.factor_c)
        )
        kernels = kernel + tf.matmul(a * tf.matmul(meta, c)[:, tf.newaxis], b)
        vectors = tf.matmul(vectors[:, tf.newaxis], kernels)[:, 0]
        if layer < len(fusion.fusion_layers) - 1:
            vectors = tf.nn.leaky_relu(vectors, fusion.negative_slope)
    return vectors


def run_cases(folder: Path, repeats: int) -> None:
    """Runs every case that was exported, on the first device that JAX has."""
    import jax

    device = jax.devices()[0]
    results = []
    for case in json.loads((folder / "cases.json").read_text(encoding="utf-8")):
        results.append(_run(folder, case, device, repeats))
        print(json.dumps(results[-1]), flush=True)
    print(json.dumps({"device": device.device_kind, "jax": jax.__version__, "cases": results}))


def _run(folder: Path, case: dict[str, Any], device: Any, repeats: int) -> dict[str, Any]:
    import jax

    expected = np.load(folder / f"{case['name']}.npz", allow_pickle=False)
    started = time.perf_counter()
    executable = _compiled((folder / f"{case['name']}.hlo").read_bytes(), device)
    compiling = time.perf_counter() - started
    of_variables = weights(case["weights"])
    arrays = [*inputs(case["items"], case["features"]), *(of_variables[place] for place in case["captured"])]
    arguments = [jax.device_put(array, device) for array in arrays]

    def step() -> list[Any]:
        outputs = executable.execute_sharded(arguments)
        found = [shards[0] for shards in outputs.disassemble_into_single_device_arrays()]
        jax.block_until_ready(found)
        return found

    found = [np.asarray(each, np.float32) for each in step()]
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    median = sorted(times)[len(times) // 2]
    norms = np.array([np.linalg.norm(each.astype(np.float64)) for each in found])
    return {
        "name": case["name"],
        "compile_seconds": round(compiling, 2),
        "milliseconds": {"min": 1e3 * min(times), "median": 1e3 * median, "max": 1e3 * max(times)},
        "share_of_peak": case["flops"] / median / PEAK_FLOPS[case["dtype"]] if case["kernels"] == "generated" else None,
        "vectors_differ_by": float(np.abs(found[0] - expected["vectors"]).max() / np.abs(expected["vectors"]).max()),
        "norms_differ_by": float(np.max(np.abs(norms - expected["norms"]) / np.maximum(expected["norms"], 1e-12))),
        "memory_bytes": _memory(executable),
    }


def _compiled(hlo: bytes, device: Any) -> Any:
    """The program for a device, by the XLA client that JAX brings."""
    from jax._src.lib import _jax, xla_client

    computation = xla_client.XlaComputation(hlo)
    module = _jax.mlir.xla_computation_to_mlir_module(computation)
    options = xla_client.CompileOptions()
    return device.client.compile_and_load(module, xla_client.DeviceList((device,)), options)


def _memory(executable: Any) -> int | None:
    try:
        stats = executable.get_compiled_memory_stats()
    except (AttributeError, RuntimeError, NotImplementedError):
        return None
    return int(stats.argument_size_in_bytes + stats.output_size_in_bytes + stats.temp_size_in_bytes)


if __name__ == "__main__":
    main()
