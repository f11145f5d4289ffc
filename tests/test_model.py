"""MetaMMF as a whole: towers, sharing of work inside a batch, penalty, training by fit."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.meta_fusion import MetaFusion
from tf_metammf.fusion.static_fusions import ConcatenationFusion
from tf_metammf.model import MetaMMF
from tf_metammf.objectives.in_batch_softmax import InBatchSoftmax
from tf_metammf.objectives.objectives import BPR, FullSoftmax
from tf_metammf.towers import ItemTower

USERS, ITEMS = 12, 9
REFERENCE = Path(__file__).with_name("reference")


class SummingFusion(keras.layers.Layer):
    """A user's own fusion: one linear map of all modalities side by side; remembers the rows it saw."""

    def __init__(self):
        super().__init__()
        self.projection = keras.layers.Dense(4, use_bias=False)
        self.rows = []

    def call(self, inputs):
        side_by_side = tf.concat([inputs[name] for name in sorted(inputs)], axis=-1)
        self.rows.append(int(side_by_side.shape[0]))
        return self.projection(side_by_side)


def features(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {"visual": random.normal(3, 2, (ITEMS, 5)), "acoustic": random.normal(size=(ITEMS, 3))}


def frequency() -> np.ndarray:
    return np.array([3, 1, 0, 2, 5, 1, 1, 0, 4])


def make(objective=None, **options) -> MetaMMF:
    keras.utils.set_random_seed(1)
    settings = {"fusion": "metammf", "fusion_options": {"units": (6, 4), "meta_units": 2, "rank": 3}, "id_units": 4}
    objective = objective or InBatchSoftmax(frequency())
    return MetaMMF(USERS, features(), objective, item_frequency=frequency(), **(settings | options))


def batch(items=(4, 0, 4, 4, 8, 0), users=(0, 3, 5, 0, 11, 2)) -> dict[str, tf.Tensor]:
    return {"user": tf.constant(users, tf.int64), "item": tf.constant(items, tf.int64)}


def test_an_item_that_occurs_several_times_in_a_batch_is_fused_once():
    fusion = SummingFusion()
    model = make(fusion=fusion, fusion_options={})
    fusion.rows.clear()
    model.compute_loss(batch(items=(4, 0, 4, 4, 8, 0)))
    assert fusion.rows == [3]


@pytest.mark.parametrize(
    ("options", "learned"),
    [
        ({}, False),
        ({"modality_dropout": 0.2}, True),
        ({"presence": {"visual": np.arange(ITEMS) != 4}}, True),
    ],
)
def test_stand_ins_are_learned_where_a_modality_can_be_missing_and_there_alone(options, learned):
    model = make(**options)
    assert bool(model.item_tower.missing_modalities.trainable_variables) == learned
    model.compile(optimizer=keras.optimizers.Adam(0.1))
    model.fit(tf.data.Dataset.from_tensors(batch()).repeat(4), verbose=0)
    assert bool(np.any(model.item_tower.missing_modalities.stand_ins)) == learned


@pytest.mark.parametrize("name", ["in_batch_softmax", "bpr", "full_softmax"])
def test_the_loss_is_that_of_the_embeddings_of_every_item_the_objective_asks_for(name):
    objective = {
        "in_batch_softmax": InBatchSoftmax(frequency(), temperature=0.3),
        "bpr": BPR(),
        "full_softmax": FullSoftmax(frequency()),
    }[name]
    model = make(objective, normalize=True)
    inputs = batch() | {"negative": tf.constant([[1, 2], [7, 7], [3, 1], [5, 6], [0, 1], [4, 4]], tf.int64)}
    users, items = model.user_embeddings().numpy(), model.item_embeddings().numpy()
    wanted = objective.candidates(inputs).numpy()
    expected = objective(tf.constant(users[inputs["user"]]), tf.constant(items[wanted]), inputs)
    np.testing.assert_allclose(model.compute_loss(inputs), expected, rtol=1e-5)


@pytest.mark.parametrize("combination", ["concatenate", "add"])
def test_an_item_without_training_interactions_is_embedded_like_a_new_item(combination):
    model = make(combination=combination)
    rows = {name: tf.constant(values[[2, 7]], tf.float32) for name, values in features().items()}
    presence = {name: tf.ones([2], tf.bool) for name in rows}
    np.testing.assert_allclose(
        model.embed_new_items(rows, presence), model.item_embeddings().numpy()[[2, 7]], atol=1e-6
    )


def test_id_dropout_hides_the_id_in_training_only():
    tower = ItemTower(ITEMS, ConcatenationFusion(units=(2,)), id_units=4, id_dropout=0.5)
    items, features = tf.zeros([4000], tf.int64), {"visual": tf.ones([4000, 1])}
    presence = {"visual": tf.ones([4000], tf.bool)}
    hidden = np.all(tower(features, presence, items=items, training=True).numpy()[:, 2:] == 0, axis=1).mean()
    assert abs(hidden - 0.5) < 0.05
    assert np.all(np.any(tower(features, presence, items=items).numpy()[:, 2:] != 0, axis=1))


def test_items_that_are_their_ids_alone_keep_them():
    tower = ItemTower(ITEMS, None, id_units=4, id_dropout=0.5)
    items, features = tf.zeros([100], tf.int64), {"visual": tf.zeros([100, 1])}
    assert np.all(np.any(tower(features, {}, items=items, training=True).numpy() != 0, axis=1))


def test_features_are_standardised_with_the_present_features_of_the_training_items():
    values = features()
    presence = {"visual": np.array([1, 1, 1, 0, 1, 1, 1, 1, 1], bool)}
    model = MetaMMF(
        USERS, values, InBatchSoftmax(frequency()), presence=presence, item_frequency=frequency(), fusion="sum",
        fusion_options={"units": (4,)},
    )  # fmt: skip
    used = values["visual"][(frequency() > 0) & presence["visual"]].astype(np.float32)
    layer = model.item_tower.standardization["visual"]
    np.testing.assert_allclose(
        layer(tf.constant(values["visual"], tf.float32)), (values["visual"] - used.mean(0)) / used.std(0), rtol=1e-4
    )


def test_normalised_embeddings_have_length_one_and_scores_are_their_dot_products():
    model = make(normalize=True)
    users, items = model.user_embeddings().numpy(), model.item_embeddings().numpy()
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([users, items]), axis=1), 1, rtol=1e-5)
    inputs = batch()
    expected = (users[inputs["user"]] * items[inputs["item"]]).sum(1)
    np.testing.assert_allclose(model(inputs), expected, atol=1e-6)


def test_the_penalty_counts_dense_weights_and_the_embedding_rows_of_the_batch():
    model = make(l2=0.01)
    plain = make(l2=0.0)
    plain.set_weights(model.get_weights())
    rows = [
        model.user_tower.embedding.embeddings.numpy()[[0, 2, 3, 5, 11]],
        model.item_tower.id_embedding.embeddings.numpy()[[0, 4, 8]],
    ]
    tables = {id(model.user_tower.embedding.embeddings), id(model.item_tower.id_embedding.embeddings)}
    dense = [weight.numpy() for weight in model.trainable_variables if id(weight) not in tables]
    penalty = 0.005 * sum(float((weight.astype(float) ** 2).sum()) for weight in dense + rows)
    np.testing.assert_allclose(model.compute_loss(batch()) - plain.compute_loss(batch()), penalty, rtol=1e-4)


def test_fit_learns_which_users_like_which_items():
    users = np.repeat(np.arange(USERS), 3)
    items = np.concatenate([[0, 3, 4] if user % 2 else [5, 6, 8] for user in range(USERS)])
    counts = np.bincount(items, minlength=ITEMS)
    keras.utils.set_random_seed(2)
    model = MetaMMF(
        USERS, features(), FullSoftmax(counts, temperature=0.2), item_frequency=counts, normalize=True,
        fusion_options={"units": (6, 4), "rank": 3}, id_units=4,
    )  # fmt: skip
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    dataset = tf.data.Dataset.from_tensor_slices({"user": users, "item": items}).shuffle(36, seed=0).batch(12)
    history = model.fit(dataset, epochs=30, verbose=0).history["loss"]
    scores = model.user_embeddings().numpy() @ model.item_embeddings().numpy().T
    assert history[-1] < history[0]
    assert np.all(scores[1::2][:, [0, 3, 4]].min(1) > scores[1::2][:, [5, 6, 8]].max(1))
    assert np.all(scores[::2][:, [5, 6, 8]].min(1) > scores[::2][:, [0, 3, 4]].max(1))


def test_the_logged_loss_of_an_epoch_is_the_mean_over_the_rows_of_its_batches():
    model = make()
    model.compile(optimizer=keras.optimizers.Adam(0.0))
    batches = [batch(items=(4, 0, 1)), batch(items=(5, 8, 6, 1))]
    batches = [{"user": one["user"][: len(one["item"])], "item": one["item"]} for one in batches]
    expected = np.average([float(model.compute_loss(one)) for one in batches], weights=[3, 4])
    signature = {name: tf.TensorSpec([None], tf.int64) for name in ("user", "item")}
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    logged = model.fit(dataset, epochs=2, verbose=0).history["loss"]
    np.testing.assert_allclose(logged, [expected, expected], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5])  # rows alone, and a last batch of fewer
def test_the_logged_loss_does_not_depend_on_how_rows_are_divided_into_batches(batch_size):
    model = make(BPR())
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    pairs = {name: values.numpy() for name, values in batch().items()}
    pairs["negative"] = np.array([[1, 2], [7, 7], [3, 1], [5, 6], [0, 1], [4, 4]])
    users, items = (embeddings.numpy() for embeddings in model.embeddings())
    user, item = users[pairs["user"]], items[pairs["item"]]
    margin = np.sum(user * item, 1)[:, None] - np.einsum("bd,bnd->bn", user, items[pairs["negative"]])
    expected = np.mean(np.log1p(np.exp(-margin)))
    history = model.fit(
        pairs, batch_size=batch_size, shuffle=False, verbose=0, validation_data=tf.data.Dataset.from_tensors(pairs)
    ).history
    np.testing.assert_allclose([history["loss"][0], history["val_loss"][0]], expected, rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(pairs, batch_size=batch_size, verbose=0), expected, rtol=1e-5)


def test_weights_saved_and_loaded_give_the_same_embeddings(tmp_path):
    model, other = make(), make(fusion_options={"units": (6, 4), "meta_units": 2, "rank": 3})
    model.user_tower.embedding.embeddings.assign_add(tf.ones([USERS, 8]))
    model.save_weights(str(tmp_path / "model.weights.h5"))
    other.load_weights(str(tmp_path / "model.weights.h5"))
    np.testing.assert_array_equal(model.user_embeddings(), other.user_embeddings())
    np.testing.assert_array_equal(model.item_embeddings(), other.item_embeddings())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"combination": "ad"}, 'unknown combination "ad"; did you mean "add"'),
        ({"l2": float("nan")}, "l2 is nan, expected a number of at least 0"),
        ({"l2": -0.1}, r"l2 is -0\.1"),
        ({"id_dropout": 1.0}, r"id_dropout is 1.0, expected a share in \[0, 1\)"),
        ({"fusion": None, "fusion_options": {}, "id_units": 0}, "needs a fusion, an ID embedding"),
        ({"encoder": "sage"}, 'the encoder "sage" needs the training interactions'),
        ({"combination": "add", "id_units": 5}, "id_units is 5, but the fusion gives 4"),
        ({"encoder": "fm"}, 'unknown encoder "fm"; did you mean "mf"'),
        ({"fusion": "metamf", "fusion_options": {}}, 'unknown fusion "metamf"; did you mean "metammf"'),
    ],
)
def test_settings_that_do_not_fit_are_named(options, message):
    with pytest.raises(InvalidInputError, match=message):
        make(**options)


def test_features_that_are_not_numbers_are_named():
    values = features()
    values["acoustic"][4, 1] = np.nan
    with pytest.raises(InvalidInputError, match='modality "acoustic": item 4 has NaN'):
        MetaMMF(USERS, values, BPR())


def test_the_item_tower_equals_the_published_fusion_network(assign_published):
    fixture = np.load(REFERENCE / "released_fusion_net.npz", allow_pickle=False)
    fusion = MetaFusion(units=(24, 20, 16, 8), meta_units=5, rank=3)
    tower = ItemTower(17, fusion, id_units=8, standardize=False)
    # Modalities are put side by side alphabetically; these names keep the published order.
    inputs = {f"{n}_{name}": tf.constant(fixture[name]) for n, name in enumerate(("visual", "acoustic", "textual"))}
    presence = {name: tf.ones([17], tf.bool) for name in inputs}
    items = tf.range(17, dtype=tf.int64)
    tower(inputs, presence, items=items)
    tower.id_embedding.embeddings.assign(fixture["param/item_E"])
    assign_published(fusion, fixture)
    np.testing.assert_allclose(tower(inputs, presence, items=items), fixture["outputs"], atol=1e-5)
