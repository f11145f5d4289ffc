"""Users whom a model has never seen, by their items: the default model against one whose users attend to their items.

    python -m benchmarks.user_histories --records FOLDER [--records FOLDER] [--seeds 3] [--preset cold-start]

A fifth of the users is kept out of training altogether. Both models learn from the interactions of the others, with the
settings of the preset default or cold-start, and keep the weights of their best epoch on the validation interactions of
those users. Then the users who were kept out are ranked for by their training interactions: by the mean of the
embeddings of these items, by the linear map that exports of the default model have, and by attention, without one of
their own. The users who were trained on are ranked for by what the model has for them. Writes
``results/user_histories.json``, or ``results/user_histories-cold-start.json``.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from benchmarks.report import print_table, spread, write_report
from tf_metammf import FullRanking, FusedAdam, MetaMMF, UserHistories
from tf_metammf.export.fold_in import fold_in_weights, history_means
from tf_metammf.records.reader import read_interactions, read_items
from tf_metammf.records.record_set import RecordSet, open_record_set

METRICS = ("recall@20", "ndcg@20")
KEPT_OUT = 0.2
EPOCHS, PATIENCE = 60, 8
PRESETS: dict[str, dict[str, Any]] = {
    "default": {"units": (256, 64), "id_dropout": 0.0, "learning_rate": 1e-3},
    "cold-start": {"units": (64,), "id_dropout": 0.5, "learning_rate": 3e-3},
}


def main() -> None:
    """Trains, prints medians with minimum and maximum, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path, action="append", required=True, help="A record set with features.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", choices=PRESETS, default="default")
    arguments = parser.parse_args()
    report = "user_histories" if arguments.preset == "default" else f"user_histories-{arguments.preset}"
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for folder in arguments.records:
        record_set = open_record_set(folder)
        for seed in range(arguments.seeds):
            for ranking, metrics in _measured(record_set, arguments.preset, seed).items():
                found.setdefault(folder.name, {}).setdefault(ranking, []).append(metrics)
                print(f"{folder.name} seed {seed} {ranking}: {metrics}", flush=True)
        write_report(report, {"users_kept_out": KEPT_OUT, "rankings": found})
    rows = []
    for name, rankings in found.items():
        for ranking, seeds in rankings.items():
            spreads = [spread([metrics[metric] for metrics in seeds]) for metric in (*METRICS, "seconds")]
            rows.append(
                [name, ranking, *(f"{s['median']:.4f} ({s['minimum']:.4f}-{s['maximum']:.4f})" for s in spreads)]
            )
    print_table("test split, median (least-most)", ["records", "ranked by", *METRICS, "seconds an epoch"], rows)


def _measured(record_set: RecordSet, preset: str, seed: int) -> dict[str, dict[str, float]]:
    metadata = record_set.metadata
    pairs = {name: read_interactions(record_set, name) for name in ("train", "validation", "test")}
    kept_out = np.random.default_rng(seed).random(metadata.users) < KEPT_OUT
    with_items = np.bincount(pairs["train"].user, minlength=metadata.users) > 0
    splits = {name: (each.user, each.item) for name, each in pairs.items()}

    def ranking(split: str, users: NDArray[np.bool_], *masked: str) -> FullRanking:
        rows = (users & with_items)[splits[split][0]]
        return FullRanking(
            (splits[split][0][rows], splits[split][1][rows]),
            users=metadata.users,
            items=metadata.items,
            masked=[splits[name] for name in masked],
            cutoffs=[20],
            metrics=["recall", "ndcg"],
        )

    validation = ranking("validation", ~kept_out, "train")
    of_others, of_kept_out = (ranking("test", users, "train", "validation") for users in (~kept_out, kept_out))
    rows = ~kept_out[splits["train"][0]]
    train = splits["train"][0][rows], splits["train"][1][rows]
    means_of = np.arange(metadata.users)
    found = {}
    for name in ("default", "user_history"):
        # Users who were kept out have a history, but no row in the training data.
        histories = UserHistories(*splits["train"], user_count=metadata.users) if name == "user_history" else None
        model, seconds = _trained(record_set, train, histories, validation, settings=PRESETS[preset], seed=seed)
        users, items = (each.numpy() for each in model.embeddings())
        means = history_means(*splits["train"], items, of=means_of)
        known = ~kept_out & with_items
        weights = fold_in_weights(means[known], users[known].astype(np.float64))
        queries = {
            "trained users": (of_others, users),
            "kept out, mean of items": (of_kept_out, means),
            "kept out, linear map": (of_kept_out, means @ weights[:-1] + weights[-1]),
        }
        if histories is not None:
            no_ids = tf.zeros([metadata.users, items.shape[1]])
            queries["kept out, attention"] = of_kept_out, model.user_tower.with_items(no_ids, tf.constant(items))
        for label, (ranked, vectors) in queries.items():
            metrics = ranked.evaluate(tf.cast(vectors, tf.float32), items)
            found[f"{name}: {label}"] = {metric: metrics[metric] for metric in METRICS} | {"seconds": seconds}
    return found


def _trained(
    record_set: RecordSet,
    train: tuple[NDArray[np.int64], NDArray[np.int64]],
    histories: UserHistories | None,
    validation: FullRanking,
    *,
    settings: dict[str, Any],
    seed: int,
) -> tuple[Any, float]:
    """A model with its best weights, and the seconds of an epoch with its validation."""
    keras.utils.set_random_seed(seed)
    table, metadata = read_items(record_set), record_set.metadata
    model = MetaMMF(
        metadata.users,
        table.features,
        "in_batch_softmax",
        presence=table.presence,
        item_frequency=np.bincount(train[1], minlength=metadata.items),
        fusion_options={"units": settings["units"]},
        objective_options={"temperature": 0.2},
        id_units=64,
        id_dropout=settings["id_dropout"],
        combination="add",
        normalize=True,
        histories=histories,
    )
    model.compile(FusedAdam(settings["learning_rate"]))
    batches = tf.data.Dataset.from_tensor_slices({"user": train[0], "item": train[1]})
    batches = batches.shuffle(len(train[0]), seed=seed).batch(2048, drop_remainder=True)
    best: tuple[float, Any, int] = (-1.0, None, 0)
    started = time.perf_counter()
    for epoch in range(EPOCHS):
        model.fit(batches, verbose=0)
        value = validation.evaluate_model(model)["ndcg@20"]
        if value > best[0]:
            best = value, model.get_weights(), epoch
        if epoch - best[2] >= PATIENCE:
            break
    model.set_weights(best[1])
    return model, (time.perf_counter() - started) / (epoch + 1)


if __name__ == "__main__":
    main()
