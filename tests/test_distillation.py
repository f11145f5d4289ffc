"""Distillation against NumPy, the heads of single modalities, and what a student learns of a teacher."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import InteractionGraph, MetaMMF
from tf_metammf.auxiliary.auxiliary_loss import ItemViews
from tf_metammf.auxiliary.balance import balance_weights
from tf_metammf.auxiliary.distillation import Distillation
from tf_metammf.auxiliary.softened_scores import divergence, mean_probabilities
from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.modality_heads import ModalityHeads

WIDTHS = {"acoustic": 3, "visual": 5}
USERS, ITEMS, D = 6, 8, 4
TEMPERATURE = 0.5


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def a_teacher(seed: int, modality: str | None = None, *, width: int = 3, untaught: tuple[int, ...] = ()) -> Teacher:
    taught = ~np.isin(np.arange(ITEMS), untaught)
    return Teacher(normal(seed, USERS, width), normal(seed + 50, ITEMS, width), taught, modality)


def some_items(items: list[int], *, without_visual: tuple[int, ...] = ()) -> ItemViews:
    """Items that are embedded and fused as the sum of a vector for every present modality."""
    parts = {name: normal(number + 10, ITEMS, D)[items] for number, name in enumerate(WIDTHS)}
    presence = {name: np.array([name != "visual" or item not in without_visual for item in items]) for name in WIDTHS}

    def embed(others):
        return tf.add_n([tf.where(others[name][:, None], parts[name], 0.0) for name in WIDTHS])

    present = {name: tf.constant(values) for name, values in presence.items()}
    everything = embed(present)
    return ItemViews(tf.constant(items, tf.int64), everything, {}, present, embed, embed, 2 * everything)


BATCH = {"user": tf.constant([0, 4, 2, 0], tf.int64), "item": tf.constant([5, 1, 5, 7], tf.int64)}
SEEN = [5, 1, 7]
POSITIVE = np.array([0, 1, 0, 2])


def loss_of(*teachers: Teacher, seen: ItemViews, sampled: ItemViews | None = None, batch=BATCH, **options):
    keras.utils.set_random_seed(0)
    weights = {"head_weight": 0.0, "response_weight": 0.0, "feature_weight": 0.0}
    layer = Distillation(teachers=teachers, temperature=TEMPERATURE, **(weights | options))
    layer.widths = WIDTHS
    layer.build((None, D))
    return layer, float(layer({**batch, "user_embedding": normal(3, 4, D)}, seen, sampled, training=True))


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores.astype(float))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def kl(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.array(
        [sum(p * np.log(p / q) for p, q in zip(*row, strict=True)) for row in zip(wanted, found, strict=True)]
    )


def taught_scores(teachers, items: list[int]) -> np.ndarray:
    """Mean probabilities of some items by several teachers."""
    users = BATCH["user"].numpy()
    return np.mean([softmax(each.users[users] @ each.items[items].T / TEMPERATURE) for each in teachers], axis=0)


def test_scores_of_whole_items_follow_the_mean_probabilities_of_their_teachers():
    teachers = a_teacher(0), a_teacher(1, width=5)
    seen = some_items(SEEN)
    layer, found = loss_of(*teachers, seen=seen, response_weight=2.0)
    own = softmax(normal(3, 4, D) @ seen.embeddings.numpy().T / TEMPERATURE)
    expected = kl(taught_scores(teachers, SEEN), own).mean()
    assert found == pytest.approx(2 * expected, rel=1e-5)
    assert {metric.name: float(metric.result()) for metric in layer.metrics} == {
        "distillation/response": pytest.approx(expected, rel=1e-5)
    }


def test_items_that_a_teacher_knows_nothing_about_are_left_out():
    teachers = a_teacher(0, untaught=(1,)), a_teacher(1)
    seen = some_items(SEEN)
    own = softmax(normal(3, 4, D) @ seen.embeddings.numpy()[[0, 2]].T / TEMPERATURE)
    _, found = loss_of(*teachers, seen=seen, response_weight=1.0)
    assert found == pytest.approx(kl(taught_scores(teachers, [5, 7]), own).mean(), rel=1e-5)


def test_a_teacher_of_one_modality_teaches_items_of_which_that_alone_is_present():
    teacher = a_teacher(0, "visual")
    seen = some_items(SEEN, without_visual=(1,))
    visual = normal(11, ITEMS, D)[SEEN]
    own = softmax(normal(3, 4, D) @ visual[[0, 2]].T / TEMPERATURE)
    distance = kl(taught_scores([teacher], [5, 7]), own).mean()
    # The second row's item lacks the modality.
    interactions = -np.log([own[0, 0], own[2, 0], own[3, 1]]).mean()
    _, found = loss_of(teacher, seen=seen, head_weight=0.3, alpha=0.25, response_weight=1.0)
    assert found == pytest.approx(0.3 * (0.75 * interactions + 0.25 * distance), rel=1e-5)


def test_without_teachers_every_modality_learns_from_interactions_alone():
    seen, users = some_items(SEEN), normal(3, 4, D)
    _, found = loss_of(seen=seen, head_weight=1.0, response_weight=1.0, feature_weight=1.0)
    expected = 0.0
    for number in range(2):
        own = softmax(users @ normal(number + 10, ITEMS, D)[SEEN].T / TEMPERATURE)
        expected -= np.log(own[np.arange(4), POSITIVE]).mean()
    assert found == pytest.approx(expected, rel=1e-5)


def test_interactions_count_by_their_weights():
    weights = np.array([1.0, 0.0, 3.0, 0.5], np.float32)
    seen = some_items(SEEN)
    own = softmax(normal(3, 4, D) @ seen.embeddings.numpy().T / TEMPERATURE)
    _, found = loss_of(a_teacher(0), seen=seen, batch={**BATCH, "weight": weights}, response_weight=1.0)
    expected = np.average(kl(taught_scores([a_teacher(0)], SEEN), own), weights=weights)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("modality", [None, "visual"])
def test_vectors_are_compared_by_a_learned_map_over_items_of_the_catalogue(modality):
    teacher = a_teacher(0, modality, untaught=(2,))
    sampled = some_items([0, 2, 3, 6], without_visual=(6,))
    layer, found = loss_of(teacher, seen=some_items(SEEN), sampled=sampled, feature_weight=1.0)
    vectors = sampled.fused.numpy() if modality is None else normal(11, ITEMS, D)[[0, 2, 3, 6]]
    mapped = vectors @ layer.trainable_weights[0].numpy()
    cosines = [
        mapped[row] @ teacher.items[item] / np.linalg.norm(mapped[row]) / np.linalg.norm(teacher.items[item])
        for row, item in enumerate([0, 2, 3, 6])
        if item != 2 and not (modality == "visual" and item == 6)
    ]
    assert layer.sampled_items == 512
    assert found == pytest.approx(1 - np.mean(cosines), rel=1e-5)


def test_teachers_of_single_modalities_teach_whole_items_by_the_sums_of_their_scores():
    teachers = a_teacher(0, "visual", untaught=(1,)), a_teacher(1, "acoustic", width=5)
    seen, users = some_items(SEEN), BATCH["user"].numpy()
    scores = sum(each.users[users] @ each.items[[5, 7]].T for each in teachers)
    own = softmax(normal(3, 4, D) @ seen.embeddings.numpy()[[0, 2]].T / TEMPERATURE)
    _, found = loss_of(*teachers, seen=seen, response_weight=1.0, ensemble=True)
    assert found == pytest.approx(kl(softmax(scores / TEMPERATURE), own).mean(), rel=1e-5)
    assert loss_of(*teachers, seen=seen, response_weight=1.0)[1] == 0


def test_the_divergence_of_equal_scores_is_zero_and_that_of_others_is_of_the_size_of_one():
    scores, present = normal(0, 20, 30), tf.ones([30], tf.bool)
    same = mean_probabilities([scores, scores], present, temperature=1.0)
    np.testing.assert_allclose(divergence(same, scores, present, temperature=1.0), 0, atol=1e-5)
    others = divergence(same, normal(1, 20, 30), present, temperature=1.0).numpy()
    assert (others > 0).all() and 0.1 < others.mean() < 10


def test_modalities_that_add_little_to_the_others_weigh_more():
    seen, users = some_items(list(range(ITEMS))), normal(3, ITEMS, D)
    positive = np.arange(ITEMS)
    parts = [normal(number + 10, ITEMS, D) for number in range(2)]

    def margin(items):
        scores = users @ items.T
        return np.diag(scores).mean() - scores.mean()

    whole = margin(parts[0] + parts[1])
    ratio = [np.clip((whole - margin(other)) / margin(own), 1e-8, 10) for own, other in (parts, parts[::-1])]
    weights = balance_weights(users, seen, positive, names=list(WIDTHS))
    first = 1 - (ratio[0] - ratio[1]) / (ratio[0] + ratio[1])
    np.testing.assert_allclose([weights[name] for name in WIDTHS], [first, 2 - first], rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0}, "temperature is 0"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"head_weight": -1}, "head_weight is -1"),
        ({"response_weight": -1}, "response_weight is -1"),
        ({"feature_weight": -1}, "feature_weight is -1"),
        ({"balance": "even"}, 'balance is "even"'),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        Distillation(**arguments)


def test_tables_that_do_not_fit_each_other_are_refused():
    with pytest.raises(InvalidInputError, match=r"users \[6, 3\], items \[8, 2\]"):
        Teacher(normal(0, USERS, 3), normal(0, ITEMS, 2), np.ones(ITEMS, bool))


TAUGHT = {"items": 40, "response_weight": 1.0}


def a_model(teachers=None, **options) -> MetaMMF:
    keras.utils.set_random_seed(0)
    features = {name: normal(number, 40, width) for number, (name, width) in enumerate(WIDTHS.items())}
    given = {
        "fusion": "concatenation",
        "fusion_options": {"units": (8,)},
        "id_units": 8,
        "combination": "add",
        "normalize": True,
        "item_frequency": np.where(np.arange(40) < 20, 10, 0),
    }
    if teachers is not None:
        given |= {"auxiliary": "distillation", "auxiliary_options": TAUGHT | {"teachers": teachers}}
    model = MetaMMF(20, features, options.pop("objective", "in_batch_softmax"), **(given | options))
    model.compile(keras.optimizers.Adam(0.02))
    return model


def fitted(model: MetaMMF, epochs: int = 1):
    random = np.random.default_rng(1)
    views = {"user": random.integers(0, 20, 200), "item": random.integers(0, 20, 200)}
    return model.fit(views, batch_size=50, epochs=epochs, shuffle=False, verbose=0).history


def a_linear_teacher(modality: str | None = None) -> Teacher:
    """Knows all items by a linear map of their features."""
    features = {name: normal(number, 40, width) for number, (name, width) in enumerate(WIDTHS.items())}
    known = [features[modality]] if modality else list(features.values())
    items = np.concatenate(known, axis=1)
    return Teacher(normal(7, 20, items.shape[1]), items, np.ones(40, bool), modality)


def test_a_student_comes_closer_to_its_teacher_on_items_that_no_user_has_seen():
    history = fitted(a_model([a_linear_teacher()]), epochs=12)
    for name in ("distillation/features", "distillation/response"):
        assert history[name][-1] < 0.6 * history[name][0]


@pytest.mark.parametrize(
    "options",
    [
        {"encoder": "lightgcn", "encoder_options": {"graph": InteractionGraph([0, 1], [0, 2], users=20, items=40)}},
        pytest.param(
            {"encoder": "sage", "encoder_options": {"graph": InteractionGraph([0, 1], [0, 2], users=20, items=40)}},
            marks=pytest.mark.long,
        ),
        {"objective": "full_softmax", "combination": "concatenate", "modality_heads": True},
        pytest.param(
            {"fusion": "metammf", "fusion_options": {"units": (8,), "rank": 2, "meta_units": 2}}, marks=pytest.mark.long
        ),
    ],
)
def test_any_encoder_objective_and_fusion_learns_from_both_kinds_of_teachers(options):
    history = fitted(a_model([a_linear_teacher(), a_linear_teacher("visual")], **options), epochs=3)
    assert history["distillation/visual"][-1] < history["distillation/visual"][0]
    assert history["distillation/features"][-1] < history["distillation/features"][0]


def test_a_model_without_teachers_loads_the_weights_of_one_with_teachers(tmp_path):
    taught, alone = a_model([a_linear_teacher()]), a_model()
    fitted(taught)
    taught.save_weights(tmp_path / "taught.weights.h5")
    alone.load_weights(tmp_path / "taught.weights.h5")
    for one, two in zip(taught.embeddings(), alone.embeddings(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_tables_of_a_model_are_its_embeddings():
    model = a_model()
    teacher = Teacher.of(model, modality="visual")
    for table, expected in zip((teacher.users, teacher.items), model.embeddings(), strict=True):
        np.testing.assert_array_equal(table, expected)
    assert teacher.taught.all() and teacher.modality == "visual"
    by_id = Teacher.of(a_model(fusion=None, fusion_options=None))
    np.testing.assert_array_equal(by_id.taught, np.arange(40) < 20)


def test_an_encoder_that_embeds_no_new_items_is_refused():
    graph = InteractionGraph([0, 1], [0, 2], users=20, items=40)
    with pytest.raises(InvalidInputError, match="LATTICE embeds no item without interactions"):
        a_model([a_linear_teacher()], encoder="lattice", encoder_options={"graph": graph})


def test_an_item_of_one_modality_is_represented_by_its_head_alone():
    heads = ModalityHeads(D)
    videos = {name: normal(number, 3, width) for number, (name, width) in enumerate(WIDTHS.items())}
    videos["visual"][1] = np.nan
    present = {"acoustic": tf.constant([True, True, False]), "visual": tf.constant([True, False, True])}
    fused = normal(5, 3, D)
    found = heads(videos, mask=present, fused=fused).numpy()
    acoustic, visual = (kernel.numpy() for kernel in heads.kernels)
    expected = [
        fused[0] + videos["acoustic"][0] @ acoustic + videos["visual"][0] @ visual,
        videos["acoustic"][1] @ acoustic,
        videos["visual"][2] @ visual,
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_heads_serve_an_item_of_one_modality_whatever_stands_in_for_the_others():
    model = a_model(modality_heads=True, modality_dropout=0.2)
    features = {name: normal(9, 1, width) for name, width in WIDTHS.items()}
    alone = {"acoustic": tf.constant([False]), "visual": tf.constant([True])}
    before = model.embed_new_items(features, alone).numpy()
    stand_ins = model.item_tower.missing_modalities.stand_ins
    stand_ins.assign(stand_ins + 1.0)
    np.testing.assert_array_equal(model.embed_new_items(features, alone), before)
    both = {name: tf.constant([True]) for name in WIDTHS}
    assert not np.allclose(model.embed_new_items(features, both), before)
