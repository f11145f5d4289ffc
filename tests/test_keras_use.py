"""MetaMMF behaves as users of Keras 2 expect, or says in one message, before anything is written, why not."""

import copy
import pickle

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from package_parts import ENCODERS, FUSIONS, WITHOUT_GRAPH

from tf_metammf import BPR, FullSoftmax, InBatchSoftmax, InteractionGraph, MetaMMF
from tf_metammf.errors import InvalidInputError, MetaMMFError
from tf_metammf.objectives.objectives import NoObjective

USERS, ITEMS = 12, 9
FREQUENCY = np.array([3, 1, 0, 2, 5, 1, 1, 0, 4])
BATCH = {"user": np.array([0, 3, 5, 0, 11, 2]), "item": np.array([4, 0, 4, 4, 8, 0])}
NEGATIVES = {"negative": np.array([[1, 2], [7, 7], [3, 1], [5, 6], [0, 1], [4, 4]])}


def make(objective=None, *, seed: int = 1, encoder: str = "mf", names=("visual", "acoustic"), **options) -> MetaMMF:
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(0)
    widths = {name: 3 + 2 * (name == "visual") for name in names}
    graph = InteractionGraph(BATCH["user"], BATCH["item"], users=USERS, items=ITEMS)
    return MetaMMF(
        USERS,
        {name: random.normal(size=(ITEMS, width)) for name, width in widths.items()},
        objective or InBatchSoftmax(FREQUENCY),
        item_frequency=FREQUENCY,
        encoder=encoder,
        encoder_options={} if encoder in WITHOUT_GRAPH else {"graph": graph},
        **({"fusion_options": {"units": (6, 4)}, "id_units": 4} | options),
    )


def objective_of(encoder: str):
    return NoObjective() if encoder == "bm3" else BPR() if encoder in ("freedom", "invrl") else None


def scores(model: MetaMMF) -> np.ndarray:
    users, items = model.embeddings()
    return users.numpy() @ items.numpy().T


@pytest.fixture(scope="module")
def trained() -> MetaMMF:
    """For tests that only look at it."""
    model = make()
    model.compile("adam")
    model.fit(BATCH, batch_size=3, verbose=0)
    return model


@pytest.mark.parametrize(
    ("encoder", "policy"),
    [
        ("mf", "mixed_bfloat16"),
        *((encoder, "mixed_float16") for encoder in ENCODERS),
        *((encoder, "float64") for encoder in ("mf", "vbpr", "lattice")),
    ],
)
def test_a_global_dtype_policy_scores_in_float32(encoder, policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = make(objective_of(encoder), encoder=encoder, l2=0.01)
        plain = make(objective_of(encoder), encoder=encoder, l2=0.01, dtype="float32")
        plain.set_weights(model.get_weights())
        batch = {name: tf.constant(values) for name, values in (BATCH | NEGATIVES).items()}
        losses = [each.compute_loss(batch) for each in (model, plain)]
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {weight.dtype for weight in model.trainable_variables} <= {tf.float32, tf.float64}
    assert losses[0].dtype == model.embeddings()[0].dtype == tf.float32
    np.testing.assert_allclose(*losses, rtol=0.05)


def test_fit_scales_the_loss_of_a_global_policy_of_float16():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = make()
        model.compile("adam")
        assert np.isfinite(model.fit(BATCH, verbose=0).history["loss"]).all()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_weights_of_16_bits_are_refused(policy):
    with pytest.raises(InvalidInputError, match=f"dtype policy is {policy}, expected one of float32, mixed_bfloat16"):
        make(dtype=policy)


@pytest.mark.parametrize(
    ("encoder", "fusion"), [*(("mf", fusion) for fusion in FUSIONS), *((encoder, "sum") for encoder in ENCODERS)]
)
def test_weights_are_saved_and_loaded_in_every_format(encoder, fusion, tmp_path):
    options = {"objective": objective_of(encoder), "encoder": encoder, "fusion": fusion}
    model, other = make(**options), make(**options, seed=2)
    expected, initial = model.get_weights(), other.get_weights()
    for file in ("w.h5", "w.weights.h5", "checkpoint"):
        other.set_weights(initial)
        model.save_weights(str(tmp_path / file))
        other.load_weights(str(tmp_path / file))
        for found, weight in zip(other.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(found, weight)


def test_weights_that_a_format_cannot_tell_apart_leave_no_file(tmp_path):
    class Twins(keras.layers.Layer):
        def build(self, shape):
            self.first, self.second = (self.add_weight("twin", (4,)) for _ in range(2))

        def call(self, inputs):
            return inputs["visual"][:, :4] * self.first + self.second

    model = make(fusion=Twins(), fusion_options={})
    with pytest.raises(InvalidInputError, match=r'several weights of the name ".*twin:0".*Name the file w.weights.h5'):
        model.save_weights(tmp_path / "w.h5")
    assert not list(tmp_path.iterdir())


def test_a_summary_lists_the_weights_before_and_after_training(trained):
    lines: list[str] = []
    for model in (make(), trained):
        model.summary(print_fn=lines.append)
    assert sum("item_tower" in line for line in lines) == 2


def test_a_saved_model_scores_the_same_pairs_without_a_predict_before(trained, tmp_path):
    trained.save(tmp_path / "saved")
    restored = keras.models.load_model(tmp_path / "saved", compile=False)
    inputs = {name: tf.constant(values) for name, values in BATCH.items()}
    np.testing.assert_allclose(restored(inputs), trained.predict(BATCH, verbose=0), rtol=1e-5)


@pytest.mark.parametrize(
    "write",
    [
        lambda model, folder: model.save(folder / "m.keras"),
        lambda model, folder: model.save(str(folder / "m.h5")),
        lambda model, folder: model.save(folder / "m", save_format="keras"),
        lambda model, folder: keras.models.save_model(model, folder / "m.keras"),
        lambda model, folder: (folder / "m.pickle").write_bytes(pickle.dumps(model)),
        lambda model, _: keras.models.clone_model(model),
        lambda model, _: copy.deepcopy(model),
        lambda model, _: model.to_json(),
    ],
)
def test_what_takes_a_configuration_says_what_to_do_and_writes_nothing(write, trained, tmp_path):
    with pytest.raises(InvalidInputError, match=r'save_weights\("model.weights.h5"\), make the model again'):
        write(trained, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
@pytest.mark.parametrize("eager", [True, False])
def test_arrays_and_datasets_of_the_same_batches_train_alike(eager):
    datasets = [
        {"x": BATCH, "batch_size": 3},
        {"x": {name: values.astype(np.int32) for name, values in BATCH.items()}, "batch_size": 3},
        {"x": tf.data.Dataset.from_tensor_slices(BATCH).batch(3)},
        {"x": tf.data.Dataset.from_tensor_slices((BATCH,)).batch(3)},
    ]
    losses = []
    for data in datasets:
        model = make()
        model.compile(keras.optimizers.Adam(0.1), run_eagerly=eager)
        history = model.fit(**data, shuffle=False, epochs=2, verbose=0, validation_data=datasets[2]["x"]).history
        losses.append(history["loss"] + history["val_loss"])
        assert model.evaluate(BATCH, batch_size=3, verbose=0) == pytest.approx(history["val_loss"][-1], rel=1e-5)
    np.testing.assert_allclose(losses, [losses[0]] * len(losses), rtol=1e-5)


EXPECTED = r'expected one dictionary with "user" and "item"'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": BATCH, "y": np.ones(6)}, f"the data have labels or weights.*{EXPECTED}"),
        ({"x": BATCH, "class_weight": {0: 1.0}}, "the data have labels or weights"),
        ({"x": tf.data.Dataset.from_tensors((BATCH, np.ones(6)))}, "the data have labels or weights"),
        ({"x": [BATCH["user"], BATCH["item"]]}, f"the data are a list of 2, {EXPECTED}"),
        ({"x": BATCH["user"]}, f"the data are ndarray, {EXPECTED}"),
        ({"x": None}, f"the data are NoneType, {EXPECTED}"),
        ({"x": tf.data.Dataset.from_tensors(BATCH["user"])}, f"the data are TensorSpec, {EXPECTED}"),
        ({"x": {"user": BATCH["user"]}}, f'the data have "user", but no "item"; {EXPECTED}'),
        ({"x": BATCH | {"item": BATCH["item"][:, None]}}, r'"item" is int64 of shape \(6, 1\), expected integers'),
        ({"x": BATCH | {"item": BATCH["item"] * 1.0}}, '"item" is float64.*expected integers'),
        ({"x": BATCH | {"user": BATCH["user"].astype(str)}}, '"user" is string.*dense ids of users'),
        ({"x": BATCH | {"user": BATCH["user"] + 1}}, '"user" has ids from 1 to 12, expected 0 to 11'),
        ({"x": BATCH | {"item": BATCH["item"] - 1}}, '"item" has ids from -1 to 7, expected 0 to 8'),
        ({"x": BATCH, "batch_size": 1}, "batch_size is 1, but the negatives of InBatchSoftmax"),
    ],
)
def test_data_that_are_not_batches_of_ids_are_refused_and_training_can_go_on(arguments, message, trained):
    with pytest.raises(InvalidInputError, match=message) as caught:
        trained.fit(**arguments, verbose=0)
    assert "in user code" not in str(caught.value)
    if "batch_size" not in arguments:
        with pytest.raises(InvalidInputError, match=message):
            trained.evaluate(**arguments, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "mse"}, "compile got loss: the loss is that of the objective"),
        ({"metrics": ["accuracy"]}, "compile got metrics"),
        ({"jit_compile": True}, "jit_compile is an argument of the model"),
    ],
)
def test_what_compile_would_ignore_is_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        make().compile("adam", **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": {"a": np.zeros(9)}}, r'modality "a" has features of shape \(9,\), expected \[items, width\]'),
        ({"features": {"a": np.zeros((9, 2, 2))}}, r'modality "a" has features of shape \(9, 2, 2\)'),
        ({"features": np.zeros((9, 2))}, "features is ndarray, expected a dictionary of arrays"),
        ({"features": [np.zeros((9, 2))]}, "features is list, expected a dictionary of arrays"),
        ({"features": {"a": [[1.0], [1.0, 2.0]]}}, 'modality "a": the rows of its features have different lengths'),
        ({"features": {"a": np.full((9, 2), "x")}}, 'modality "a" has features of type <U1, expected numbers'),
        ({"presence": {"visul": np.ones(9, bool)}}, 'unknown modality of presence "visul"; did you mean "visual"'),
        ({"objective": "bp"}, 'unknown objective "bp"; did you mean "bpr"'),
        ({"users": 12.5}, "MetaMMF: users is 12.5, expected an integer of at least 1"),
        ({"users": 0}, "MetaMMF: users is 0"),
    ],
)
def test_arguments_of_another_form_are_named(arguments, message):
    given = {"users": 12, "features": {"visual": np.zeros((9, 2))}, "objective": BPR()} | arguments
    with pytest.raises(InvalidInputError, match=message):
        MetaMMF(given.pop("users"), given.pop("features"), given.pop("objective"), **given)


def test_features_may_be_lists_or_tensors():
    rows = np.random.default_rng(1).normal(size=(ITEMS, 2)).astype(np.float32)
    found = []
    for features in (rows, rows.tolist(), tf.constant(rows)):
        keras.utils.set_random_seed(1)
        found.append(scores(MetaMMF(USERS, {"a": features}, FullSoftmax(FREQUENCY), fusion_options={"units": (4,)})))
    np.testing.assert_allclose(found, [found[0]] * 3, rtol=1e-5, atol=1e-7)


def test_what_was_made_with_keras_3_is_named():
    import keras as keras_3

    model = make()
    with pytest.raises(MetaMMFError, match=r"compile: found Adam of Keras 3.*expected Keras 2"):
        model.compile(keras_3.optimizers.Adam())
    model.compile("adam")
    with pytest.raises(MetaMMFError, match="fit: found EarlyStopping of Keras 3"):
        model.fit(BATCH, callbacks=[keras_3.callbacks.EarlyStopping()], verbose=0)
    with pytest.raises(MetaMMFError, match="MetaMMF: found Dense of Keras 3"):
        make(fusion=keras_3.layers.Dense(3), fusion_options={})
    with pytest.raises(MetaMMFError, match=r'SumFusion "fused": found KerasTensor of Keras 3.*tf_keras.Input'):
        FUSIONS["sum"](name="fused")({"visual": keras_3.Input((5,))})


ODD_NAMES = ("图像", "a b", "x", "x_present", "..", "")


@pytest.mark.parametrize(
    ("encoder", "fusion"),
    [("mf", "metammf"), ("mf", "attention"), *((peer, None) for peer in ("mmgcn", "lattice", "freedom", "bm3"))],
)
def test_modalities_may_have_any_name(encoder, fusion, tmp_path):
    options = {"encoder": encoder, "fusion": fusion} | ({"fusion_options": {}} if fusion is None else {})
    model, other = (make(objective_of(encoder), names=ODD_NAMES, seed=seed, **options) for seed in (1, 2))
    batch = {name: tf.constant(values) for name, values in (BATCH | NEGATIVES).items()}
    # Names of scopes matter where a graph is made.
    assert np.isfinite(tf.function(model.compute_loss)(batch))
    for file in ("w.weights.h5", "w.h5"):
        model.save_weights(str(tmp_path / file))
        other.load_weights(str(tmp_path / file))
    np.testing.assert_array_equal(scores(model), scores(other))


@pytest.mark.parametrize("drop_remainder", [True, False])
def test_batches_of_one_row_teach_an_in_batch_softmax_nothing_and_are_refused(drop_remainder):
    model = make()
    model.compile("adam")
    with pytest.raises(InvalidInputError, match="negatives of InBatchSoftmax are the other items of the batch"):
        model.fit(tf.data.Dataset.from_tensor_slices(BATCH).batch(1, drop_remainder=drop_remainder), verbose=0)


def test_ids_may_be_lists():
    losses = []
    for data in (BATCH, {name: values.tolist() for name, values in BATCH.items()}):
        model = make()
        model.compile("adam")
        losses.append(
            model.fit(data, shuffle=False, verbose=0).history["loss"] + model.predict(data, verbose=0).tolist()
        )
        losses[-1].append(model.evaluate(data, verbose=0))
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_an_input_of_keras_3_is_refused_by_name():
    keras_3 = pytest.importorskip("keras", minversion="3")
    with pytest.raises(MetaMMFError, match="found KerasTensor of Keras 3"):
        make()({name: keras_3.Input((), dtype="int64") for name in BATCH})


def test_a_last_row_alone_is_told_and_does_not_lower_the_logged_loss(caplog):
    model = make()
    model.compile(keras.optimizers.SGD(0.0))
    seven = {name: np.append(values, values[:1]) for name, values in BATCH.items()}
    with caplog.at_level("WARNING"):
        found = model.fit(seven, batch_size=3, shuffle=False, verbose=0).history["loss"]
    assert "The last batch of every epoch has one row, from which InBatchSoftmax learns nothing" in caplog.text
    caplog.clear()
    expected = model.fit(BATCH, batch_size=3, shuffle=False, verbose=0).history["loss"]
    assert not caplog.records
    np.testing.assert_allclose(found, expected, rtol=1e-6)
