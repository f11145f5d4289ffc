"""Prints, as JSON, what steps of gradient descent do on one device and on two that share every batch.

With TF_CONFIG the two are those of two processes, and those of one device are left out.
"""

import json
import os
from collections.abc import Callable

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

from tf_metammf import BPR, FullSoftmax, InBatchSoftmax, InteractionGraph, MetaMMF
from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.objectives.preference import Preference

import tf_keras as keras  # isort: skip - after the package, which chooses Keras 2

USERS, ITEMS, BATCH = 12, 9, 17
OF_DEVICES = [("in_batch_softmax", "mf"), ("in_batch_softmax", "lightgcn"), ("preference", "mf")]
"""Cases of one process: between processes the next ones gather and add up all that these do."""
CASES = [(objective, "mf") for objective in ("both_directions", "full_softmax", "bpr")]
CASES += [("in_batch_softmax", encoder) for encoder in ("sage", "lightgcn without targets")]
CASES += [(objective, "mf with weights") for objective in ("both_directions", "full_softmax", "bpr")]


def main() -> None:
    # One strategy for all cases: collectives of two in one process would be taken for each other's.
    if "TF_CONFIG" in os.environ:
        strategies, cases = {2: tf.distribute.MultiWorkerMirroredStrategy()}, CASES
    else:
        cases = OF_DEVICES + CASES
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        strategies = {1: tf.distribute.get_strategy(), 2: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])}
    results = {}
    for objective, encoder in cases:
        for devices, strategy in strategies.items():
            results[f"{objective} {encoder} {devices}"] = step(strategy, objective, encoder)
    print(json.dumps(results))


def step(strategy: tf.distribute.Strategy, objective: str, encoder: str) -> dict:
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(1)
    train = random.integers(0, USERS, 40), random.integers(0, ITEMS - 1, 40)
    frequency = np.bincount(train[1], minlength=ITEMS)
    encoder, _, weights = encoder.partition(" with ")
    encoder, _, without = encoder.partition(" without ")
    options = {} if encoder == "mf" else {"graph": InteractionGraph(*train, users=USERS, items=ITEMS)}
    options |= {"exclude_targets": True} if without else {}
    with strategy.scope():
        model = MetaMMF(
            USERS,
            {"visual": random.normal(size=(ITEMS, 4)), "acoustic": random.normal(size=(ITEMS, 3))},
            make(objective, np.bincount(train[0], minlength=USERS), frequency),
            item_frequency=frequency,
            fusion_options={"units": (5, 4), "meta_units": 2, "rank": 2},
            encoder=encoder,
            encoder_options=options | ({"dropout": [0.0]} if encoder == "sage" else {}),
            id_units=4,
            normalize=True,
            l2=0.01,
        )
        model.compile(optimizer=keras.optimizers.SGD(0.5))
    start = [weight.numpy().tolist() for weight in model.trainable_variables]
    batch = {"user": train[0][:BATCH], "item": train[1][:BATCH], "negative": random.integers(0, ITEMS, (BATCH, 2))}
    if weights:  # the first row counts nothing, and those of the second part far more than those of the first
        batch["weight"] = np.arange(BATCH, dtype=np.float32) ** 2 / 16
    if objective == "preference":
        batch["preference"] = preferences(random)
    # A short last batch: the mean loss is over rows.
    short = tf.nest.map_structure(lambda values: values[:5], batch)
    found = {
        "loss": mean_loss(strategy, model, model.train_step, [batch]),
        "evaluated": mean_loss(strategy, model, model.test_step, [batch, short]),
        "start": start,
        "weights": [weight.numpy().tolist() for weight in model.trainable_variables],
    }
    if objective == "preference":  # the devices have other parts of the batch in every step
        batches = [tf.nest.map_structure(lambda values, n=n: np.roll(values, 3 * n, axis=0), batch) for n in (1, 2)]
        found["later"] = [mean_loss(strategy, model, model.train_step, [each]) for each in batches]
        found["logged"] = {metric.name: float(metric.result()) for metric in model.objective.metrics}
    return found


def preferences(random: np.random.Generator) -> dict[str, np.ndarray]:
    """Nine of them, which two devices cannot halve, with weights of which the first is 0, and one to three items."""
    rejected = np.array([random.permutation(ITEMS)[:4] for _ in range(9)])
    return {
        "user": random.integers(0, USERS, 9),
        "chosen": rejected[:, 3],
        "rejected": rejected[:, :3],
        "there": np.arange(3) <= np.arange(9)[:, np.newaxis] % 3,
        "weight": np.arange(9, dtype=np.float32) ** 2 / 8,
    }


def make(objective: str, users: np.ndarray, items: np.ndarray) -> keras.layers.Layer:
    match objective:
        case "in_batch_softmax":
            return InBatchSoftmax(items, temperature=0.5)
        case "both_directions":
            return InBatchSoftmax(items, user_frequency=users, temperature=0.5, item_to_user_weight=0.7)
        case "full_softmax":
            return FullSoftmax(items, temperature=0.5)
        case "preference":
            tables = (np.random.default_rng(2).normal(size=(rows, 4)).astype(np.float32) for rows in (USERS, ITEMS))
            reference = Teacher(*tables, np.ones(ITEMS, bool))
            return Preference(items, reference=reference, beta=0.5, temperature=0.5)
    return BPR()


def mean_loss(
    strategy: tf.distribute.Strategy,
    model: MetaMMF,
    run_step: Callable[[dict], dict],
    batches: list[dict[str, np.ndarray]],
) -> float:
    """The mean loss after a step with every batch, each device on its part; the parts are not equally large."""
    model.mean_loss.reset_state()
    for batch in batches:
        strategy.run(run_step, (shared(strategy, batch),))
    return float(model.mean_loss.result())


def shared(strategy: tf.distribute.Strategy, batch: dict[str, np.ndarray]) -> dict:
    replicas = strategy.num_replicas_in_sync
    parts = [
        tf.nest.map_structure(lambda values, part=part: tf.constant(np.array_split(values, replicas)[part]), batch)
        for part in range(replicas)
    ]
    if replicas == 1:
        return parts[0]
    return strategy.experimental_distribute_values_from_function(
        lambda context: parts[context.replica_id_in_sync_group]
    )


if __name__ == "__main__":
    main()
