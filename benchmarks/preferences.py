"""Where preferences of few users help the others, what the reference adds, and what random labels do.

600 items, 400 users who respond to 4 factors by a linear taste; 4 % of the users have preferences.

=========  ==========================================================================================================
bait       users click what they like or what baits them, a direction of the visual features, and like by taste alone.
           Models learn from clicks by content; the preferences are liked items over items that were only clicked.
           Recall@20 of liked test items, over users without preferences: bait is to be unlearned for everybody
reference  users and items have IDs, and preferences are whims of single users. Nothing is to be learned from them for
           others: ndcg@20 of the clicks of users without preferences should stay what it was
=========  ==========================================================================================================
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
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
from tf_metammf.objectives.preference import Preference
from tf_metammf.records.preference_batches import preference_batches
from tf_metammf.records.preferences import Preferences

ITEMS, USERS, FACTORS = 600, 400, 4
PREFERRING = USERS // 25
"""Users that have preferences, the first ones."""
CLICKS, LIKED, SHOWN, REJECTED = 15, 20, 60, 3
TEMPERATURE, LEARNING_RATE, EPOCHS, LATER_EPOCHS = 0.2, 3e-3, 20, 10
CASES = ("bait", "reference")


@dataclass(frozen=True)
class Case:
    """Made data.

    Attributes:
        features: float ``[items, width]`` by modality.
        clicks: Training clicks, users and items ``[n]``.
        tested: Items that count for a user in the test, bool ``[users, items]``.
        masked: Items that are not ranked for a user, bool ``[users, items]``.
        preferences: Those of the first users.
        id_units: Width of the ID embeddings of items.
        taste: True tastes ``[users, items]``.
    """

    features: dict[str, NDArray[np.float64]]
    clicks: tuple[NDArray[np.int64], NDArray[np.int64]]
    tested: NDArray[np.bool_]
    masked: NDArray[np.bool_]
    preferences: Preferences
    id_units: int
    taste: NDArray[np.float64]


def made(name: str, seed: int) -> Case:
    """The data of a case."""
    random = np.random.default_rng(seed)
    content, bait = random.normal(size=(ITEMS, FACTORS)), random.normal(size=(ITEMS, 1))
    features = {"textual": mixed(random, content), "visual": mixed(random, np.concatenate([content, 2 * bait], axis=1))}
    taste = random.normal(size=(USERS, FACTORS)) @ content.T
    drawn = taste + (2.0 * bait.T if name == "bait" else 0) + random.gumbel(size=taste.shape)
    order = np.argsort(-drawn, axis=1)
    clicks = order[:, :CLICKS]
    masked = rows_of(clicks)
    if name == "bait":
        liked = np.where(masked, -np.inf, taste + random.gumbel(size=taste.shape))
        tested = rows_of(np.argsort(-liked, axis=1)[:, :LIKED])
        shown = order[:PREFERRING, CLICKS : CLICKS + SHOWN]
        value = np.take_along_axis(taste[:PREFERRING], shown, axis=1) + random.gumbel(size=shown.shape)
    else:
        tested = rows_of(order[:, CLICKS : CLICKS + LIKED])
        shown = np.stack([random.permutation(order[user, CLICKS + LIKED :])[:SHOWN] for user in range(PREFERRING)])
        value = random.normal(size=shown.shape)
    preferences = pairs_of(random, shown, value)
    pairs = np.repeat(np.arange(USERS), CLICKS), clicks.ravel()
    return Case(features, pairs, tested, masked, preferences, id_units=0 if name == "bait" else 32, taste=taste)


def mixed(random: np.random.Generator, factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of 32 values in which factors are mixed, with a little noise."""
    return factors @ random.normal(size=(factors.shape[1], 32)) / 2 + 0.3 * random.normal(size=(ITEMS, 32))


def rows_of(items: NDArray[np.int64]) -> NDArray[np.bool_]:
    """A mask ``[users, items]`` of items ``[users, n]``."""
    found = np.zeros((len(items), ITEMS), bool)
    np.put_along_axis(found, items, True, axis=1)
    return found


def pairs_of(random: np.random.Generator, shown: NDArray[np.int64], value: NDArray[np.float64]) -> Preferences:
    """Of each user, the better half of what was shown over some of the other half."""
    half = shown.shape[1] // 2
    ranked = np.take_along_axis(shown, np.argsort(-value, axis=1), axis=1)
    chosen, others = ranked[:, :half], ranked[:, half:]
    rejected = np.stack([np.stack([random.permutation(row)[:REJECTED] for _ in range(half)]) for row in others])
    count = chosen.size
    user = np.repeat(np.arange(len(shown)), half)
    return Preferences(user, chosen.ravel(), rejected.ravel(), np.full(count, REJECTED))


def swapped(preferences: Preferences, share: float, seed: int) -> Preferences:
    """The same, of which a share has the chosen item in the place of a rejected one."""
    wrong = np.random.default_rng(seed).random(len(preferences)) < share
    rejected = preferences.rejected.reshape(-1, REJECTED).copy()
    chosen = np.where(wrong, rejected[:, 0], preferences.chosen)
    rejected[wrong, 0] = preferences.chosen[wrong]
    return Preferences(preferences.user, chosen, rejected.ravel(), preferences.counts)


def shuffled(preferences: Preferences, seed: int) -> Preferences:
    """The same users and items, with one of the items of each preference as the chosen one by chance."""
    items = np.column_stack([preferences.chosen, preferences.rejected.reshape(-1, REJECTED)])
    items = np.random.default_rng(seed).permuted(items, axis=1)
    return Preferences(preferences.user, items[:, 0], items[:, 1:].ravel(), preferences.counts)


def model_of(case: Case, objective: Any) -> MetaMMF:
    """A model; by content alone without IDs."""
    return MetaMMF(
        USERS,
        dict(case.features),
        objective,
        item_frequency=np.bincount(case.clicks[1], minlength=ITEMS),
        fusion="metammf",
        fusion_options={"units": (32,)},
        id_units=case.id_units,
        combination="add",
        normalize=True,
        objective_options={"temperature": TEMPERATURE} if isinstance(objective, str) else None,
    )


def begun(case: Case, base: MetaMMF, objective: Any, seed: int) -> MetaMMF:
    """A model with the weights of the click run, and another objective."""
    keras.utils.set_random_seed(seed)
    model = model_of(case, objective)
    for old, new in zip(base.trainable_variables, model.trainable_variables, strict=True):
        new.assign(old)
    model.compile(keras.optimizers.Adam(LEARNING_RATE / 10))
    return model


def fitted(
    model: MetaMMF, clicks: tuple[Any, Any], preferences: Preferences | None, *, seed: int, steps: int
) -> MetaMMF:
    """The model after some steps on clicks, with preferences beside them where they are given."""
    users, items = (np.asarray(each, np.int64) for each in clicks)
    data = tf.data.Dataset.from_tensor_slices({"user": users, "item": items})
    batches = data.shuffle(len(users), seed=seed).repeat().batch(256, drop_remainder=True)
    if preferences is not None:
        pairs = preference_batches(preferences, batch_size=256, rejected=REJECTED, seed=seed)
        batches = tf.data.Dataset.zip((batches, pairs)).map(lambda batch, pair: {**batch, "preference": pair})
    model.fit(batches, epochs=1, steps_per_epoch=steps, verbose=0)
    return model


def preferring(case: Case, reference: Teacher, **options: Any) -> Preference:
    """The objective."""
    frequency = np.bincount(case.clicks[1], minlength=ITEMS)
    return Preference(frequency, reference=reference, temperature=TEMPERATURE, **options)


def later(case: Case, base: MetaMMF, seed: int) -> dict[str, MetaMMF]:
    """The click run, and what came of it by each way to go on for as many steps."""
    reference = Teacher.of(base)
    nothing = Teacher(np.zeros([USERS, 1], np.float32), np.zeros([ITEMS, 1], np.float32), np.ones(ITEMS, bool))
    steps = LATER_EPOCHS * len(case.clicks[0]) // 256
    pairs, softmax = case.preferences, "in_batch_softmax"

    def after(objective: Any, clicks: tuple[Any, Any] = case.clicks, preferences: Preferences | None = None) -> MetaMMF:
        return fitted(begun(case, base, objective, seed), clicks, preferences, seed=seed, steps=steps)

    def preferred(preferences: Preferences = pairs, held_to: Teacher = reference, **options: Any) -> MetaMMF:
        return after(preferring(case, held_to, **options), preferences=preferences)

    # BPR is DPO over a reference that scores everything 0, with beta 1.
    alone: Mapping[str, Any] = {"loss": "dpo", "beta": 1.0, "anchor": 0.0}
    found = {
        "click run": base,
        "continued on clicks": after(softmax),
        "continued on chosen items": after(softmax, clicks=(pairs.user, pairs.chosen)),
        "BPR on the pairs": preferred(**alone, held_to=nothing),
        "the same with a reference: DPO, beta 1, no anchor": preferred(**alone),
        "BPR on the pairs, anchor 0.5": preferred(**{**alone, "anchor": 0.5}, held_to=nothing),
        "DPO": preferred(loss="dpo"),
        "softmax DPO": preferred(),
        "softmax DPO, anchor 0.1": preferred(anchor=0.1),
        "IPO, anchor 0.1": preferred(loss="ipo", anchor=0.1),
    }
    if case.id_units:
        return found
    noisy = swapped(pairs, 0.2, seed)
    ipo: Mapping[str, Any] = {"loss": "ipo", "anchor": 0.1}
    return found | {
        "IPO, anchor 0.1, 20 % of labels wrong": preferred(noisy, **ipo),
        "the same, label_smoothing 0.2": preferred(noisy, **ipo, label_smoothing=0.2),
        "IPO, anchor 0.1, random labels": preferred(shuffled(pairs, seed), **ipo),
        "softmax DPO, anchor 0.1, random labels": preferred(shuffled(pairs, seed), anchor=0.1),
    }


def metrics(case: Case, model: MetaMMF) -> dict[str, float]:
    """Recall@20 and ndcg@20 of users without preferences, and how often the chosen item is above a rejected one."""
    users, items = (table.numpy() for table in model.embeddings())
    scores = users @ items.T
    return {**ranked(case, scores), "pair accuracy": accuracy(case, scores)}


def accuracy(case: Case, scores: NDArray[np.floating]) -> float:
    """How often the chosen item of a preference is above a rejected one."""
    pairs = case.preferences
    user, chosen = pairs.user[pairs.rows], pairs.chosen[pairs.rows]
    return float((scores[user, chosen] > scores[user, pairs.rejected]).mean())


def ranked(case: Case, scores: NDArray[np.floating]) -> dict[str, float]:
    """Recall@20 and ndcg@20 of scores ``[users, items]``, of users without preferences."""
    order = np.argsort(-np.where(case.masked, -np.inf, scores)[PREFERRING:], axis=1)[:, :20]
    hits = np.take_along_axis(case.tested[PREFERRING:], order, axis=1)
    gains = 1 / np.log2(np.arange(2, 22))
    return {"recall@20": float(hits.mean() * 20 / LIKED), "ndcg@20": float((hits @ gains).mean() / gains.sum())}


def measured(name: str, seed: int) -> dict[str, dict[str, float]]:
    """Metrics of every model."""
    case = made(name, seed)
    keras.utils.set_random_seed(seed)
    base = model_of(case, "in_batch_softmax")
    base.compile(keras.optimizers.Adam(LEARNING_RATE))
    fitted(base, case.clicks, None, seed=seed, steps=EPOCHS * len(case.clicks[0]) // 256)
    found = {label: metrics(case, model) for label, model in later(case, base, seed).items()}
    return found | {"true tastes": {**ranked(case, case.taste), "pair accuracy": accuracy(case, case.taste)}}


def main() -> None:
    """Measures every case, prints the tables and writes ``results/preferences.json``."""
    results: dict[str, Any] = {}
    for name, runs in over_cases_and_seeds(str(__doc__), CASES, measured).items():
        results[name] = {
            label: {metric: [each[label][metric] for each in runs] for metric in of_model}
            for label, of_model in runs[0].items()
        }
        rows = [
            [label, *(f"{np.mean(each):.3f} ({min(each):.3f}-{max(each):.3f})" for each in of_model.values())]
            for label, of_model in results[name].items()
        ]
        print_table(f"{name}: users without preferences", ["model", "recall@20", "ndcg@20", "pair accuracy"], rows)
    write_report("preferences", {"seeds": len(runs), "users without preferences": results})


if __name__ == "__main__":
    main()
