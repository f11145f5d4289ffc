"""InfoNCE between fused vectors and modalities against NumPy, and what a model makes of it."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import MetaMMF
from tf_metammf.auxiliary.auxiliary_loss import ItemViews
from tf_metammf.auxiliary.mutual_information import MutualInformation
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_source import FeatureSource

WIDTHS = {"acoustic": 3, "visual": 5}
FUSED = 4


def some_views(items: list[int], seed: int, *, absent: dict[str, list[int]] | None = None) -> ItemViews:
    """Items whose fused vector is a linear map of the modalities that they are fused from."""
    random = np.random.default_rng(seed)
    features = {
        name: tf.constant(random.normal(size=(len(items), width)), tf.float32) for name, width in WIDTHS.items()
    }
    maps = {name: tf.constant(random.normal(size=(width, FUSED)), tf.float32) for name, width in WIDTHS.items()}
    presence = {name: tf.constant([item not in (absent or {}).get(name, []) for item in items]) for name in WIDTHS}

    def fuse(others):
        return tf.add_n([tf.where(others[name][:, None], features[name], 0.0) @ maps[name] for name in WIDTHS])

    return ItemViews(tf.constant(items, tf.int64), fuse(presence), features, presence, fuse)


def made(**options) -> MutualInformation:
    tf.random.set_seed(0)
    loss = MutualInformation(**{"units": 6, "items": 4, "modality_dropout": 0.0, "warm_up": 0, **options})
    loss.widths = WIDTHS
    loss.build((None, FUSED))
    return loss


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def info_nce(one: np.ndarray, two: np.ndarray, temperature: float) -> float:
    """One item and one direction at a time."""
    losses = []
    for row in range(len(one)):
        for first, second in ((one, two), (two, one)):
            scores = np.array([first[row] @ other for other in second]) / temperature
            losses.append(np.log(np.exp(scores).sum()) - scores[row])
    return float(np.mean(losses))


def head(loss: MutualInformation, width: int) -> np.ndarray:
    """The linear map of vectors of a width."""
    return next(weight.numpy() for weight in loss.trainable_weights if weight.shape[0] == width).astype(float)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_the_loss_is_that_of_the_distinct_items_that_have_the_modality(temperature):
    seen = some_views([3, 1, 4], 0, absent={"visual": [1]})
    sampled = some_views([4, 5, 3, 7], 1, absent={"visual": [7]})
    loss = made(weight=0.5, temperature=temperature)
    found = loss({}, seen, sampled, training=True)

    expected = 0.0
    # Items 3 and 4 are in both; the rows of the batch count.
    fused = np.concatenate([seen.fused, sampled.fused.numpy()[[1, 3]]]) @ head(loss, FUSED)
    for name, having in (("acoustic", [0, 1, 2, 3, 4]), ("visual", [0, 2, 3])):
        features = np.concatenate([seen.features[name], sampled.features[name].numpy()[[1, 3]]])
        projected = features @ head(loss, WIDTHS[name])
        expected += info_nce(unit(fused)[having], unit(projected)[having], temperature)
    np.testing.assert_allclose(found, 0.5 * expected, rtol=1e-5)


def test_the_metrics_are_the_bound_and_its_ceiling():
    seen = some_views(list(range(8)), 0)
    loss = made(items=0, weight=1.0)
    found = {name: float(value) for name, value in _results(loss, seen).items()}
    total = sum(np.log(8) - found[f"information/{name}"] for name in WIDTHS)
    np.testing.assert_allclose(loss({}, seen, None, training=True), total, rtol=1e-5)
    assert found["information_ceiling/visual"] == pytest.approx(np.log(8) - np.log1p(7 * np.exp(-2 / 0.2)), rel=1e-5)
    assert all(found[f"information/{name}"] <= found[f"information_ceiling/{name}"] for name in WIDTHS)


def _results(loss: MutualInformation, seen: ItemViews) -> dict[str, tf.Tensor]:
    loss({}, seen, None, training=True)
    return {metric.name: metric.result() for metric in loss.metrics}


def test_views_of_the_same_vector_have_no_more_than_chance_to_differ():
    loss = made(contrast="fused_views", items=0, weight=1.0)
    seen = some_views(list(range(5)), 0)
    fused = unit(seen.fused.numpy() @ head(loss, FUSED))
    np.testing.assert_allclose(loss({}, seen, None, training=True), info_nce(fused, fused, 0.2), rtol=1e-5)
    assert [metric.name for metric in loss.metrics] == ["information/fused_views", "information_ceiling/fused_views"]


def test_dropout_hides_modalities_from_the_fused_side_and_leaves_each_item_one():
    asked = []
    seen = some_views(list(range(200)), 0, absent={"visual": [7]})
    spied = ItemViews(
        seen.items, seen.fused, seen.features, seen.presence, lambda others: (asked.append(others), seen.fused)[1]
    )
    made(modality_dropout=0.6, items=0)({}, spied, None, training=True)
    kept = np.stack([asked[0][name] for name in WIDTHS], axis=1)
    assert kept.any(axis=1).all() and 0.1 < 1 - kept.mean() < 0.6
    assert (kept <= np.stack([seen.presence[name] for name in WIDTHS], axis=1)).all()


def test_an_item_alone_has_nothing_to_be_told_from():
    seen = some_views([0, 1], 0, absent={"visual": [0, 1], "acoustic": [1]})
    assert float(made(items=0)({}, seen, None, training=True)) == 0


def test_the_weight_grows_over_the_warm_up():
    seen = some_views([0, 1, 2], 0)
    loss = made(items=0, warm_up=4, weight=1.0)
    found = [float(loss({}, seen, None, training=True)) for _ in range(6)]
    np.testing.assert_allclose(np.array(found) / found[-1], [0, 0.25, 0.5, 0.75, 1, 1], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": 0}, "weight is 0"),
        ({"temperature": -1}, "temperature is -1"),
        ({"modality_dropout": 1}, "modality_dropout is 1"),
        ({"contrast": "users"}, 'contrast is "users"'),
        ({"units": 0}, "units"),
        ({"items": -1}, "items"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        MutualInformation(**arguments)


def a_model(**options) -> MetaMMF:
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    shared = random.normal(size=(40, 3))
    features = {name: shared @ random.normal(size=(3, width)) for name, width in WIDTHS.items()}
    fusion = {"fusion": "concatenation", "fusion_options": {"units": (8,)}}
    frequency = np.where(np.arange(40) < 20, 10, 0)
    model = MetaMMF(20, features, "in_batch_softmax", item_frequency=frequency, id_units=4, **(fusion | options))
    model.compile("adam")
    return model


def fitted(model: MetaMMF, epochs: int = 1):
    random = np.random.default_rng(1)
    views = {"user": random.integers(0, 20, 200), "item": random.integers(0, 20, 200)}
    return model.fit(views, batch_size=50, epochs=epochs, shuffle=False, verbose=0).history


@pytest.mark.parametrize("contrast", ["modalities", "fused_views"])
def test_training_raises_the_bound_over_items_that_no_user_has_seen(contrast):
    options = {"weight": 1.0, "items": 30, "warm_up": 0, "contrast": contrast, "modality_dropout": 0.2}
    model = a_model(auxiliary="mutual_information", auxiliary_options=options)
    history = fitted(model, epochs=8)
    names = [name for name in history if name.startswith("information/")]
    assert len(names) == (1 if contrast == "fused_views" else 2)
    for name in names:
        assert history[name][-1] > history[name][0]


def test_a_model_without_fusion_says_that_it_needs_one():
    with pytest.raises(InvalidInputError, match="the auxiliary loss needs a fusion"):
        a_model(fusion=None, fusion_options=None, auxiliary="mutual_information")


def test_items_of_the_catalogue_are_refused_where_their_features_are_streamed():
    class Streamed(FeatureSource):
        items, widths = 40, WIDTHS

        def blocks(self, size):
            for first in range(0, self.items, size):
                rows = min(size, self.items - first)
                yield (
                    {name: tf.ones([rows, width]) for name, width in WIDTHS.items()},
                    {name: tf.ones([rows], tf.bool) for name in WIDTHS},
                )

    with pytest.raises(InvalidInputError, match=r"features are streamed.*Set its items to 0"):
        MetaMMF(20, Streamed(), "bpr", fusion="concatenation", auxiliary="mutual_information")
