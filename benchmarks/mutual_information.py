"""Where InfoNCE between fused vectors and modalities helps, where it hurts, and where it does nothing.

2,000 items of three modalities, 96 values each. Four factors are shared by all modalities, six are in one of them
alone, and the rest is noise. 200 users respond to four factors by a linear taste; only some items have interactions,
which are noisy. Measured on items without any: ndcg@20 against the true tastes, content alone, with the auxiliary loss
and without.

=========  ================================================================================
shared     users respond to the factors that all modalities have: it should help
private    users respond to factors of one modality alone: it should hurt
synergy    users respond to shared factors times the sign of another one: it should not help
=========  ================================================================================
"""

import argparse
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tf_keras as keras

from benchmarks.report import print_table, write_report
from tf_metammf import MetaMMF

ITEMS, USERS, WIDTH, SHARED, PRIVATE = 2000, 200, 96, 4, 6
NOISE, PER_USER = 1.0, 12
CASES = ("shared", "private", "synergy")
AUXILIARIES = {
    "without": None,
    "modalities": {"contrast": "modalities", "weight": 0.3},
    "fused_views": {"contrast": "fused_views", "weight": 0.3},
}


def made(case: str, labelled: int, seed: int) -> dict[str, Any]:
    """Features, interactions with the first items, and the true preferences."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=(ITEMS, SHARED))
    private = {name: random.normal(size=(ITEMS, PRIVATE)) for name in ("acoustic", "textual", "visual")}
    features = {}
    for name, own in private.items():
        factors = np.concatenate([shared, own], axis=1)
        mixed = factors @ random.normal(size=(factors.shape[1], WIDTH)) / np.sqrt(factors.shape[1])
        features[name] = mixed + NOISE * random.normal(size=mixed.shape)
    content = {
        "shared": shared,
        "private": private["visual"][:, :SHARED],
        "synergy": shared * np.sign(private["acoustic"][:, :1]) * np.sign(private["textual"][:, :1]),
    }[case]
    preference = random.normal(size=(USERS, SHARED)) @ content.T
    seen = preference[:, :labelled] + random.gumbel(size=(USERS, labelled))
    chosen = np.argsort(-seen, axis=1)[:, :PER_USER]
    return {
        "features": features,
        "views": {"user": np.repeat(np.arange(USERS), PER_USER), "item": chosen.ravel()},
        "preference": preference[:, labelled:],
    }


def measured(data: dict[str, Any], labelled: int, auxiliary: dict[str, Any] | None, seed: int) -> float:
    """ndcg@20 on the items without interactions, whose 20 best by the true taste of a user are relevant."""
    keras.utils.set_random_seed(seed)
    frequency = np.bincount(data["views"]["item"], minlength=ITEMS)
    model = MetaMMF(
        USERS,
        data["features"],
        "in_batch_softmax",
        item_frequency=frequency,
        fusion="concatenation",
        fusion_options={"units": (32,)},
        id_units=0,
        normalize=True,
        objective_options={"temperature": 0.2},
        auxiliary=None if auxiliary is None else "mutual_information",
        auxiliary_options=auxiliary,
    )
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(data["views"], batch_size=256, epochs=60, verbose=0)
    users, items = model.embeddings()
    scores = users.numpy() @ items.numpy()[labelled:].T
    order = np.argsort(-scores, axis=1)[:, :20]
    relevant = np.zeros(scores.shape, bool)
    np.put_along_axis(relevant, np.argsort(-data["preference"], axis=1)[:, :20], True, axis=1)
    gains = np.take_along_axis(relevant, order, axis=1) / np.log2(np.arange(2, 22))
    return float(gains.sum(axis=1).mean() / (1 / np.log2(np.arange(2, 22))).sum())


def main() -> None:
    """Measures every case, prints the table and writes ``results/mutual_information.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="Seeds of data and model.")
    parser.add_argument("--labelled", type=int, nargs="+", default=[120], help="Items that have interactions.")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    rows = []
    for case in CASES:
        for labelled in arguments.labelled:
            cells = {}
            for name, auxiliary in AUXILIARIES.items():
                seeds = range(arguments.seeds)
                cells[name] = [measured(made(case, labelled, seed), labelled, auxiliary, seed) for seed in seeds]
            found.setdefault(case, {})[str(labelled)] = cells
            rows.append(
                [
                    case,
                    str(labelled),
                    *(f"{np.mean(each):.3f} ({min(each):.3f}-{max(each):.3f})" for each in cells.values()),
                ]
            )
    print_table(
        "ndcg@20 of items without interactions: mean (worst to best seed)",
        ["users respond to", "items with interactions", *AUXILIARIES],
        rows,
    )
    write_report("mutual_information", {"seeds": arguments.seeds, "ndcg@20": found})


if __name__ == "__main__":
    main()
