"""A modality that arrives later: adapters over a frozen model, against training all weights, by how much has happened.

1,000 items. The first 600 have one modality, and interactions from before. The others have a second modality, too, and
the first 200 of these have interactions from after its arrival. 150 users respond to what both modalities show, in the
same directions of taste. Measured on the 200 items of both modalities without interactions: ndcg@20 against the true
tastes; a ranking by these has 1.
"""

import argparse
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tf_keras as keras

from benchmarks.distillation import faint
from benchmarks.report import print_table, write_report
from tf_metammf import MetaMMF
from tf_metammf.trainer.frozen_base import is_of_adapter
from tf_metammf.trainer.weight_transfer import learned_weights, take_statistics, transfer_weights

ITEMS, USERS, BEFORE, AFTER = 1000, 150, 600, 800
"""Items before ``BEFORE`` have one modality, those from ``AFTER`` on no interactions."""
SHARES = (0.01, 0.05, 0.25, 1.0)
"""Shares of the interactions after the arrival."""


def made(seed: int) -> dict[str, Any]:
    """Features, presence, interactions before and after, and true preferences."""
    random = np.random.default_rng(seed)
    shown, told = random.normal(size=(2, ITEMS, 4))
    told[:BEFORE] = 0
    features = {
        "textual": faint(random, told, width=48, others=8),
        "visual": faint(random, shown, width=48, others=8),
    }
    preference = random.normal(size=(USERS, 4)) @ (shown + told).T
    seen = preference + random.gumbel(size=preference.shape)
    views = [taken(seen[:, :BEFORE], 30, 0), taken(seen[:, BEFORE:AFTER], 20, BEFORE)]
    return {
        "features": features,
        "presence": {"textual": np.arange(ITEMS) >= BEFORE},
        "before": views[0],
        "after": views[1][random.permutation(len(views[1]))],
        "preference": preference[:, AFTER:],
    }


def taken(seen: Any, count: int, first: int) -> Any:
    """Users and items ``[n, 2]`` of the items that every user takes."""
    chosen = np.argsort(-seen, axis=1)[:, :count]
    return np.stack([np.repeat(np.arange(len(seen)), count), chosen.ravel() + first], axis=1)


def model_of(data: dict[str, Any], pairs: Any, seed: int, *, modalities: list[str], **options: Any) -> MetaMMF:
    """A model of content alone."""
    keras.utils.set_random_seed(seed)
    return MetaMMF(
        USERS,
        {name: data["features"][name] for name in modalities},
        "in_batch_softmax",
        presence={name: each for name, each in data["presence"].items() if name in modalities},
        item_frequency=np.bincount(pairs[:, 1], minlength=ITEMS),
        fusion="metammf",
        fusion_options={"units": (64, 32)},
        id_units=0,
        normalize=True,
        objective_options={"temperature": 0.2},
        **options,
    )


def fitted(model: MetaMMF, pairs: Any) -> MetaMMF:
    """The model, trained."""
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit({"user": pairs[:, 0], "item": pairs[:, 1]}, batch_size=256, epochs=20, verbose=0)
    return model


def ndcg(data: dict[str, Any], model: MetaMMF) -> float:
    """ndcg@20 on the items of both modalities without interactions."""
    users, items = (table.numpy() for table in model.embeddings())
    order = np.argsort(-(users @ items[AFTER:].T), axis=1)[:, :20]
    relevant = np.zeros(data["preference"].shape, bool)
    np.put_along_axis(relevant, np.argsort(-data["preference"], axis=1)[:, :20], True, axis=1)
    gains = np.take_along_axis(relevant, order, axis=1) / np.log2(np.arange(2, 22))
    return float(gains.sum(axis=1).mean() / (1 / np.log2(np.arange(2, 22))).sum())


def measured(seed: int) -> dict[str, dict[str, float]]:
    """By share of the interactions after the arrival, ndcg@20 of every way to learn from them."""
    data = made(seed)
    base = fitted(model_of(data, data["before"], seed, modalities=["visual"]), data["before"])
    everyone, everything = ((np.arange(count),) * 2 for count in (USERS, ITEMS))
    found: dict[str, dict[str, float]] = {}
    for share in SHARES:
        pairs = np.concatenate([data["before"], data["after"][: int(share * len(data["after"]))]])
        both = {"modalities": ["textual", "visual"]}
        adapted = model_of(data, pairs, seed, **both, adapters=["textual"])
        transfer_weights(base, adapted, users=everyone, items=everything)
        take_statistics(base, adapted)
        adapted.freeze(weight for weight in adapted.trainable_weights if not is_of_adapter(weight))
        trained = sum(weight.shape.num_elements() for weight in adapted.trainable_weights)
        of_all = sum(weight.shape.num_elements() for weight in learned_weights(adapted))
        warm = model_of(data, pairs, seed, **both)
        transfer_weights(base, warm, users=everyone, items=everything)
        found[f"{share:.0%}"] = {
            "adapters": ndcg(data, fitted(adapted, pairs)),
            "all weights, from the base": ndcg(data, fitted(warm, pairs)),
            "all weights, from scratch": ndcg(data, fitted(model_of(data, pairs, seed, **both), pairs)),
            "frozen base": ndcg(data, base),
            "trained share of adapters": trained / of_all,
        }
    return found


def main() -> None:
    """Measures every share, prints the table and writes ``results/adapters.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="Seeds of data and models.")
    arguments = parser.parse_args()
    runs = [measured(seed) for seed in range(arguments.seeds)]
    results = {share: {way: [each[share][way] for each in runs] for way in ways} for share, ways in runs[0].items()}
    rows = [
        [share, *(f"{np.mean(each):.3f} ({min(each):.3f}-{max(each):.3f})" for each in ways.values())]
        for share, ways in results.items()
    ]
    heads = ["interactions after the arrival", *next(iter(results.values()))]
    print_table("ndcg@20 of items of both modalities without interactions", heads, rows)
    write_report("adapters", {"seeds": arguments.seeds, "ndcg@20": results})


if __name__ == "__main__":
    main()
