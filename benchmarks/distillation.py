"""Where distillation helps, what a shuffled teacher does, and where there is nothing to learn from a teacher.

1,000 items, 150 users who respond to 4 or 16 factors by a linear taste; some items have interactions, which are noisy.
Measured on the items without any: ndcg@20 against the true tastes, by content alone; a ranking by these has 1.

==========  =========================================================================================================
privileged  a clean modality is there in training alone; the student has two others, in which the factors are faint.
            The teacher looks at the clean one. It should help; items without interactions should matter, and a
            teacher whose items are shuffled should not help
lazy        half of the taste is in a modality of 8 values, half in one of 128, of which 8 count. A teacher for each.
            It should help, as joint training neglects one of the two
mood        the content of one modality times the sign of another one. Teachers of single modalities know nothing, so
            it should not help
==========  =========================================================================================================
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from benchmarks.measurement import over_cases_and_seeds
from benchmarks.report import print_table, write_report
from tf_metammf import MetaMMF
from tf_metammf.auxiliary.teacher import Teacher

ITEMS, USERS = 1000, 150
CASES = ("privileged", "lazy", "mood")


@dataclass(frozen=True)
class Case:
    """Made data.

    Attributes:
        features: What the student looks at, float ``[items, width]`` by modality.
        teachers: What each teacher looks at, by modality.
        views: Interactions with the labelled items.
        preference: True preferences ``[users, items]``.
        labelled: Items that have interactions, the first ones.
        epochs: Passes over the interactions.
    """

    features: dict[str, NDArray[np.float64]]
    teachers: dict[str, NDArray[np.float64]]
    views: dict[str, NDArray[np.int64]]
    preference: NDArray[np.float64]
    labelled: int
    epochs: int


def made(name: str, seed: int) -> Case:
    """The data of a case."""
    random = np.random.default_rng(seed)
    if name == "privileged":
        content, labelled = random.normal(size=(ITEMS, 4)), 120
        features = {each: faint(random, content, width=96, others=32) for each in ("acoustic", "visual")}
        teachers = {"clean": content + 0.3 * random.normal(size=content.shape)}
    elif name == "lazy":
        halves, labelled = random.normal(size=(2, ITEMS, 8)), 300
        content = np.concatenate(list(halves), axis=1)
        wide = np.concatenate([halves[0], random.normal(size=(ITEMS, 120))], axis=1)
        features = {"narrow": halves[1] + 0.1 * random.normal(size=(ITEMS, 8)), "wide": wide}
        teachers = features
    else:
        factors, labelled = random.normal(size=(ITEMS, 4)), 400
        mood = random.choice([-1.0, 1.0], size=(ITEMS, 1))
        content = factors * mood
        features = {
            "acoustic": np.concatenate([mood, 0.1 * random.normal(size=(ITEMS, 8))], axis=1),
            "visual": factors @ random.normal(size=(4, 16)) / 2 + 0.1 * random.normal(size=(ITEMS, 16)),
        }
        teachers = features
    preference = random.normal(size=(USERS, content.shape[1])) @ content.T
    seen = preference[:, :labelled] + random.gumbel(size=(USERS, labelled))
    per_user = 20 if name == "lazy" else 12
    chosen = np.argsort(-seen, axis=1)[:, :per_user]
    views = {"user": np.repeat(np.arange(USERS), per_user), "item": chosen.ravel()}
    return Case(
        features, teachers, views, preference, labelled, epochs={"privileged": 30, "lazy": 25, "mood": 60}[name]
    )


def faint(random: np.random.Generator, content: NDArray[np.float64], *, width: int, others: int) -> Any:
    """Features in which a content is mixed with other factors and with noise."""
    factors = np.concatenate([content, random.normal(size=(ITEMS, others))], axis=1)
    mixed = factors @ random.normal(size=(factors.shape[1], width)) / np.sqrt(factors.shape[1])
    return mixed + 0.5 * random.normal(size=mixed.shape)


def trained(case: Case, features: Mapping[str, Any], seed: int, auxiliary: Mapping[str, Any] | None = None) -> MetaMMF:
    """A model of content alone."""
    keras.utils.set_random_seed(seed)
    model = MetaMMF(
        USERS,
        dict(features),
        "in_batch_softmax",
        item_frequency=np.bincount(case.views["item"], minlength=ITEMS),
        fusion="concatenation" if len(features) > 1 and "wide" in features else "metammf",
        fusion_options={"units": (32,)},
        id_units=0,
        normalize=True,
        objective_options={"temperature": 0.2},
        auxiliary=None if auxiliary is None else "distillation",
        auxiliary_options=None if auxiliary is None else {"response_weight": 1.0, **auxiliary},
    )
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(case.views, batch_size=256, epochs=case.epochs, verbose=0)
    return model


def ndcg(case: Case, users: Any, items: Any) -> float:
    """ndcg@20 on the items without interactions, whose 20 best by the true taste of a user are relevant."""
    scores = np.asarray(users) @ np.asarray(items)[case.labelled :].T
    order = np.argsort(-scores, axis=1)[:, :20]
    relevant = np.zeros(scores.shape, bool)
    best = np.argsort(-case.preference[:, case.labelled :], axis=1)[:, :20]
    np.put_along_axis(relevant, best, True, axis=1)
    gains = np.take_along_axis(relevant, order, axis=1) / np.log2(np.arange(2, 22))
    return float(gains.sum(axis=1).mean() / (1 / np.log2(np.arange(2, 22))).sum())


def by_one_modality(case: Case, model: MetaMMF, name: str) -> float:
    """The same by a model that is shown one of the modalities of its items."""
    features = {each: tf.constant(values, tf.float32) for each, values in case.features.items()}
    presence = {each: tf.fill([ITEMS], each == name) for each in features}
    return ndcg(case, model.user_embeddings(), model.embed_new_items(features, presence))


def measured(name: str, seed: int) -> dict[str, float]:
    """ndcg@20 of teachers and students."""
    case = made(name, seed)
    random = np.random.default_rng(seed)
    found: dict[str, float] = {}
    teachers = []
    for modality, values in case.teachers.items():
        teacher = trained(case, {modality: values}, seed + 100)
        teachers.append(Teacher.of(teacher, modality=modality))
        found[f"teacher of {modality}"] = ndcg(case, *teacher.embeddings())
    if len(teachers) > 1:
        both = Teacher.together(teachers)
        found["sum of the teachers"] = ndcg(case, both.users, both.items)
    order = random.permutation(ITEMS)
    shuffled = [replace(each, items=each.items[order]) for each in teachers]
    for label, options in variants(name, teachers, shuffled).items():
        model = trained(case, case.features, seed, options)
        found[label] = ndcg(case, *model.embeddings())
        if name == "lazy":
            found |= {f"{label}, shown {each} alone": by_one_modality(case, model, each) for each in case.features}
    return found


def variants(name: str, teachers: Sequence[Teacher], shuffled: Sequence[Teacher]) -> dict[str, dict[str, Any] | None]:
    """Options of the students."""
    if name == "privileged":
        return {
            "without": None,
            "distilled": {"teachers": teachers},
            "distilled, items with interactions": {"teachers": teachers, "items": 0},
            "shuffled teacher": {"teachers": shuffled},
        }
    as_one = {"head_weight": 0.0, "ensemble": True}
    return {
        "without": None,
        "modalities alone, no teacher": {"head_weight": 1.0},
        "distilled": {"teachers": teachers, "head_weight": 1.0},
        "distilled, alpha 1": {"teachers": teachers, "head_weight": 1.0, "alpha": 1.0},
        "distilled, alpha 1, balanced": {
            "teachers": teachers,
            "head_weight": 1.0,
            "alpha": 1.0,
            "balance": "utilization",
        },
        "distilled, as an ensemble": {"teachers": teachers, **as_one},
        "shuffled teachers, as an ensemble": {"teachers": shuffled, **as_one},
    }


def main() -> None:
    """Measures every case, prints the tables and writes ``results/distillation.json``."""
    results: dict[str, Any] = {}
    for name, runs in over_cases_and_seeds(str(__doc__), CASES, measured).items():
        results[name] = {label: [each[label] for each in runs] for label in runs[0]}
        rows = [
            [label, f"{np.mean(values):.3f}", f"{min(values):.3f}", f"{max(values):.3f}"]
            for label, values in results[name].items()
        ]
        print_table(f"{name}: ndcg@20 of items without interactions", ["model", "mean", "worst", "best"], rows)
    write_report("distillation", {"seeds": len(runs), "ndcg@20": results})


if __name__ == "__main__":
    main()
