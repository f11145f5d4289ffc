"""An epoch of MetaMMF_GCN (encoder sage, whole graph), and what its steps are spent on.

    python -m benchmarks.epoch [--input FOLDER_WITH_TIKTOK_INTER] [--shape NAME] [--steps 10] [--whole]

Two shapes, each in a separate process, through the code that `tf-metammf train` runs: TikTok (preset default,
batches of 2,048; the real files where ``--input`` is given, else random interactions and features of the same
numbers), and MovieLens as published (preset movielens, 2,276 feature values an item, batches of 3,000 with five
negatives), always random. Keras' ``fit`` runs that many steps three times after a first one; an epoch is the median
step times the steps of an epoch. ``--whole`` runs whole epochs instead, once.

The parts of a step are timed alone, forward and backward, each compiled as a graph of its own, in turn with
whole steps: "fusion" looks the features of all items up and fuses them, "propagation" goes from tower outputs to
embeddings, "objective" from embeddings to the loss (the L2 penalty included), "update" is the optimizer's. "input
pipeline" is the time of delivering batches while nothing trains; training overlaps with it, so it costs a step
at most that. "rest" is what is left of the step, or below zero where the parts gain from running together.
"""

import argparse
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras

from benchmarks.measurement import Run, in_turn, memory_mib, of_its_own_process, seconds
from benchmarks.propagation import random_graph
from benchmarks.report import print_table, spread, write_report
from tf_metammf import records
from tf_metammf.graphs.neighbourhoods import WholeGraph
from tf_metammf.model import MetaMMF
from tf_metammf.parts.parts import settings_of
from tf_metammf.records.splits.splitting import Splitting, split_interactions
from tf_metammf.trainer.assembly import make_compiled_model
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training_batches import TrainingBatches
from tf_metammf.trainer.training_data import TrainingData

SEED = 0
REPEATS = 3
PARTS_REPEATS = 7
INPUT_BATCHES = 300


@dataclass(frozen=True)
class Shape:
    """Numbers of a data set, and the preset it is trained with."""

    users: int
    items: int
    interactions: int
    widths: dict[str, int]
    preset: str


SHAPES = {
    "TikTok": Shape(9_308, 6_710, 68_722, {"acoustic": 128, "visual": 128}, preset="default"),
    "MovieLens": Shape(
        55_485, 5_986, 1_239_508, {"acoustic": 128, "textual": 100, "visual": 2_048}, preset="movielens"
    ),
}


def main() -> None:
    """Measures, prints the tables and writes ``results/epoch.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", type=Path, help="Folder with tiktok.inter and *_feat.npy.")
    parser.add_argument("--shape", choices=SHAPES, help="One of them; writes nothing.")
    parser.add_argument("--steps", type=int, default=10, help="Steps that are timed together.")
    parser.add_argument("--whole", action="store_true", help="Whole epochs.")
    parser.add_argument("--records", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.records:
        print(json.dumps(measure(SHAPES[arguments.shape], Path(arguments.records), arguments.steps, arguments.whole)))
        return
    results = {}
    for name in [arguments.shape] if arguments.shape else SHAPES:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "records"
            options = ["--shape", name, "--steps", str(arguments.steps), *(["--whole"] if arguments.whole else [])]
            if arguments.input and name == "TikTok":
                records.convert("mmrec", arguments.input, folder)
            else:
                synthetic_record_set(SHAPES[name], folder)
            results[name] = of_its_own_process("benchmarks.epoch", "--records", str(folder), *options)
            results[name]["data"] = "real" if arguments.input and name == "TikTok" else "random"
        _print(name, results[name])
    if not arguments.shape:
        write_report("epoch", {"seed": SEED, "shapes": results})


def synthetic_record_set(shape: Shape, folder: Path) -> records.RecordSet:
    """Random interactions with popular and rare items, and random features."""
    random = np.random.default_rng(SEED)
    graph = random_graph(users=shape.users, items=shape.items, edges=shape.interactions)
    data = records.RawData(
        name="synthetic",
        user_ids=[str(user) for user in range(shape.users)],
        item_ids=[str(item) for item in range(shape.items)],
        interactions=records.Interactions(graph.edge_user, graph.edge_item),
        modalities={
            name: records.ModalityFeatures(
                random.normal(size=(shape.items, width)).astype(np.float32), np.arange(shape.items)
            )
            for name, width in shape.widths.items()
        },
    )
    return records.write_record_set(data, split_interactions(data, Splitting(), seed=SEED), folder)


def measure(shape: Shape, folder: Path, steps: int, whole: bool) -> dict[str, Any]:
    """An epoch and its parts, as plain JSON values."""
    configuration = load_configuration(shape.preset)
    configuration.model.encoder = settings_of("encoder", "sage")()
    keras.utils.set_random_seed(SEED)
    record_set = records.open_record_set(folder)
    plan = TrainingPlan.of(configuration, record_set)
    data = TrainingData.of(record_set, plan)
    model = make_compiled_model(plan, data)
    batches = TrainingBatches(plan, data).beginning_at()
    epoch_steps = plan.steps
    timed = epoch_steps if whole else min(steps, epoch_steps)
    first = seconds(lambda: model.fit(batches, steps_per_epoch=1, verbose=0))
    fits = [
        seconds(lambda: model.fit(batches, steps_per_epoch=timed, verbose=0)) for _ in range(1 if whole else REPEATS)
    ]
    peak = memory_mib("VmHWM")
    step_seconds = [value / timed for value in fits]
    return {
        "shape": asdict(shape),
        "train interactions": len(data.train),
        "batch_size": configuration.training.batch_size,
        "steps an epoch": epoch_steps,
        "steps timed": timed,
        "first step seconds": first,
        "step seconds": spread(step_seconds),
        "epoch seconds": spread([value * epoch_steps for value in step_seconds]),
        "peak memory mib": peak,
        "parts": part_seconds(model, batches, configuration),
    }


def part_seconds(model: MetaMMF, batches: tf.data.Dataset, configuration: Configuration) -> dict[str, dict[str, float]]:
    """Seconds of a whole step and of each of its parts."""
    delivered, trained = iter(batches), iter(batches)
    batch = next(delivered)
    train = model.make_train_function()
    sides: dict[str, Run] = {"step": lambda: train(trained)["loss"].numpy(), **parts(model, batch)}
    times = in_turn(sides, repeats=PARTS_REPEATS)
    times["input pipeline"] = [
        seconds(lambda: [next(delivered) for _ in range(INPUT_BATCHES)]) / INPUT_BATCHES for _ in range(REPEATS)
    ]
    return {name: spread(values) for name, values in times.items()}


def parts(model: MetaMMF, batch: dict[str, Any]) -> dict[str, Run]:
    """Fusion, propagation, objective and update of one step, each alone."""
    tower, encoder = model.item_tower, model.encoder
    fusion_layer: Any = tower.fusion
    fused = [*fusion_layer.trainable_variables, *tower.missing_modalities.trainable_variables]

    @tf.function
    def fusion(gradient: Any) -> Any:
        with tf.GradientTape() as tape:
            features, presence = model.item_features.lookup(tf.range(model.items))
            content = tower.content(features, presence, training=True)
        return tape.gradient(content, fused, output_gradients=gradient)

    @tf.function
    def propagation(users: Any, items: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([users, items])
            graph = WholeGraph(encoder.adjacency)
            embedded = encoder.propagate(users, items, graph, training=True)
        sources = [users, items, *encoder.trainable_variables]
        return tape.gradient(embedded, sources, output_gradients=[users, items])

    @tf.function
    def objective(users: Any, items: Any) -> Any:
        weights = [*fused, *encoder.trainable_variables] if model.l2 else []
        with tf.GradientTape() as tape:
            tape.watch([users, items])
            distinct, position = tf.unique(model.objective.candidates(batch))
            queries, candidates = tf.gather(users, batch["user"]), tf.gather(items, distinct)
            if model.normalize:
                queries, candidates = (tf.math.l2_normalize(rows, axis=-1) for rows in (queries, candidates))
            loss = model.objective(queries, tf.gather(candidates, position), batch)
            if model.l2:
                loss += model.l2 * tf.add_n([tf.nn.l2_loss(weight) for weight in weights])
        gradients = tape.gradient(loss, [users, items, *weights])
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    @tf.function
    def gradients() -> Any:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(batch, training=True)
        return tape.gradient(loss, model.trainable_variables)

    @tf.function
    def update(values: Any) -> None:
        model.optimizer.apply_gradients(zip(values, model.trainable_variables, strict=True))

    random = np.random.default_rng(SEED)
    width = model.user_tower.units
    users, items = (tf.constant(random.normal(size=(count, width)), tf.float32) for count in (model.users, model.items))
    content = tf.constant(random.normal(size=(model.items, fusion_layer.units[-1])), tf.float32)
    found = gradients()
    return {
        "fusion": lambda: _wait(fusion(content)),
        "propagation": lambda: _wait(propagation(users, items)),
        "objective": lambda: _wait(objective(users, items)),
        "update": lambda: update(found),
    }


def _wait(found: Any) -> None:
    # With a device, the work is done when what is returned is here.
    tf.nest.map_structure(lambda tensor: tf.reshape(tensor, [-1])[:1].numpy(), found)


def _print(name: str, result: dict[str, Any]) -> None:
    step = result["parts"]["step"]["median"]
    alone = {part: values for part, values in result["parts"].items() if part != "step"}
    rest = step - sum(values["median"] for part, values in alone.items() if part != "input pipeline")
    rows = [
        [part, *(1e3 * values[key] for key in ("median", "minimum", "maximum")), f"{values['median'] / step:.1%}"]
        for part, values in result["parts"].items()
    ]
    rows.append(["rest", 1e3 * rest, "", "", f"{rest / step:.1%}"])
    print_table(f"{name} ({result['data']}), ms a step", ["part", "median", "minimum", "maximum", "of a step"], rows)
    epoch = result["epoch seconds"]
    print(
        f"{name}: an epoch of {result['steps an epoch']} steps {epoch['median']:.4g} s ({epoch['minimum']:.4g} to "
        f"{epoch['maximum']:.4g}), {result['steps timed']} steps timed at once; first step "
        f"{result['first step seconds']:.3g} s; peak memory of the process {result['peak memory mib']:,.0f} MiB"
    )


if __name__ == "__main__":
    main()
