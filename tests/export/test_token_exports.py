"""Exports of models of token sequences: raw sequences of new items, warm-up, refresh, a process of TensorFlow alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tf_metammf import TokenFusion
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.saved_model import export_refreshed, export_run
from tf_metammf.export.sequence_inputs import sequences_of
from tf_metammf.records import (
    Interactions,
    ModalityFeatures,
    RawData,
    TokenArrays,
    TokenSequences,
    remove,
    write_record_set,
)
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.training_data import TrainingData

USERS, ITEMS, NEW = 12, 30, 5


ENCODE = """
import sys

for name in ("tf_metammf", "keras", "tf_keras", "tensorflow_recommenders"):
    sys.modules[name] = None  # importing it is an error

import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
tensors = {name: tf.constant(array) for name, array in np.load("inputs.npz").items()}
np.save("embedding.npy", loaded.signatures["encode_items"](**tensors)["embedding"].numpy())
"""


class TimedMean(TokenFusion):
    """Tokens weighted by their times, times a kernel."""

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel = self.add_weight("kernel", (sum(self.widths), self.units[-1]))

    def call(self, inputs, mask=None, training=None):
        weighted = [
            tf.reduce_sum(x.values * (1 + x.times)[:, :, tf.newaxis], axis=1) for _, x in sorted(inputs.items())
        ]
        return tf.matmul(tf.concat(weighted, axis=1), self.kernel)


def drawn(count: int, width: int, *, longest: int, seed: int) -> TokenArrays:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest + 1, count)
    times = np.concatenate([np.sort(random.uniform(0, 9, length)) for length in lengths])
    return TokenArrays(random.normal(2, 3, (lengths.sum(), width)).astype(np.float32), lengths, times)


def write(folder: Path):
    """The sound is missing in every fifth item; the text is one vector an item."""
    random = np.random.default_rng(2)
    pairs = np.unique(random.integers(0, [USERS, ITEMS - 4], (90, 2)), axis=0)
    splits = {name: Interactions(*pairs[rows].T) for name, rows in (("train", slice(60)), ("test", slice(60, None)))}
    modalities = {
        "visual": ModalityFeatures(drawn(ITEMS, 6, longest=11, seed=1), np.arange(ITEMS)),
        "acoustic": ModalityFeatures(
            drawn(ITEMS, 4, longest=5, seed=2), np.where(np.arange(ITEMS) % 5 < 4, np.arange(ITEMS), -1)
        ),
        "textual": ModalityFeatures(random.normal(size=(ITEMS, 3)).astype(np.float32), np.arange(ITEMS)),
    }
    users, items = [f"u{number}" for number in range(USERS)], [f"v{number}" for number in range(ITEMS)]
    return write_record_set(RawData("small", users, items, splits["train"], modalities, splits), splits, folder)


@pytest.fixture(scope="module")
def record_set(tmp_path_factory):
    return write(tmp_path_factory.mktemp("records") / "set")


@pytest.fixture(scope="module", params=["concatenation", f"{__name__}:TimedMean"], ids=["pooled", "tokens"])
def run(request, record_set, tmp_path_factory) -> RunDirectory:
    """A run directory with the weights of an untrained model."""
    settings = {"fusion": {"name": request.param, "units": [4]}, "id_units": 4}
    configuration = Configuration.from_mapping({"model": settings})
    run = create_run_directory(tmp_path_factory.mktemp("run") / "run", configuration, record_set)
    plan = TrainingPlan.of(configuration, record_set)
    make_model(plan, TrainingData.of(record_set, plan)).save_weights(str(run.weights_file))
    return run


@pytest.fixture(scope="module")
def version(run) -> Path:
    return export_run(run, run.folder.parent / "exported")


def new_items(**changes):
    """Longer sequences than any in training; the last item has no sound."""
    sound = drawn(NEW - 1, 4, longest=5, seed=4)
    features = {
        "visual": drawn(NEW, 6, longest=30, seed=3),
        "acoustic": TokenArrays(sound.values, np.append(sound.lengths, 0), sound.times),
        "textual": np.random.default_rng(5).normal(size=(NEW, 3)).astype(np.float32),
    }
    return features | changes


def embedded(model, features) -> np.ndarray:
    """By the model itself, with NaN for padding."""
    presence = {"textual": tf.ones([NEW], tf.bool)}
    tensors = {"textual": tf.constant(features["textual"])}
    for name in ("visual", "acoustic"):
        arrays = features[name]
        there = np.arange(40) < arrays.lengths[:, np.newaxis]
        values = np.full((NEW, 40, arrays.width), np.nan, np.float32)
        times = np.zeros((NEW, 40), np.float32)
        values[there], times[there] = arrays.values, arrays.times
        tensors[name] = TokenSequences(tf.constant(values), tf.constant(arrays.lengths), tf.constant(times))
        presence[name] = tf.constant(arrays.lengths > 0)
    return model.embed_new_items(tensors, presence).numpy()


def test_raw_sequences_of_new_items_are_encoded_as_by_the_model(run, version):
    model, _ = load_model(run, None)
    with Client(version) as client:
        found = client.encode_items(new_items())
        np.testing.assert_allclose(found, embedded(model, new_items()), rtol=1e-4, atol=1e-5)
        one_by_one = [
            client.encode_items({name: values[[row]] for name, values in new_items().items()}) for row in range(NEW)
        ]
        np.testing.assert_allclose(np.concatenate(one_by_one), found, rtol=1e-4, atol=1e-5)
        places = client.place_of_new_items(["u0", "u1"], new_items())
        np.testing.assert_allclose(places.scores, model.user_embeddings().numpy()[:2] @ found.T, rtol=1e-3, atol=1e-4)
        shares = client.explain_new_items(new_items())
        assert shares[-1].shares["acoustic"] == 0
        assert sum(shares[0].shares.values()) == pytest.approx(1)


def test_sequences_may_be_lists_and_modalities_may_be_left_out(run, version):
    features = new_items()
    lists = [features["visual"][[row]].values for row in range(NEW)]
    with Client(version) as client:
        untimed = TokenArrays(features["visual"].values, features["visual"].lengths)
        expected = client.encode_items({"visual": untimed})
        np.testing.assert_array_equal(client.encode_items({"visual": lists}), expected)
        text = client.encode_items({"textual": features["textual"]})
        hidden = client.encode_items(features, presence={"visual": [False] * NEW, "acoustic": [False] * NEW})
        np.testing.assert_allclose(text, hidden, rtol=1e-5, atol=1e-6)


def test_a_pooled_fusion_takes_means_for_the_sequences(run, version):
    features = new_items()
    means = {name: each.means() if isinstance(each, TokenArrays) else each for name, each in features.items()}
    there = {"acoustic": features["acoustic"].lengths > 0}
    with Client(version) as client:
        found = client.encode_items(means, presence=there)
        is_alike = np.allclose(found, client.encode_items(features), rtol=1e-4, atol=1e-5)
        assert is_alike == ("visual_times" not in client.signature("encode_items").inputs)


def test_mistakes_in_sequences_are_named(version):
    with Client(version) as client:
        with pytest.raises(InvalidInputError, match="modality visual: found tokens of 5 values, expected 6"):
            client.encode_items({"visual": [np.zeros((3, 5))]})
        with pytest.raises(InvalidInputError, match=r'modality "visual": .* one width'):
            client.encode_items({"visual": [np.zeros((3, 5)), np.zeros((3, 4))]})
        with pytest.raises(InvalidInputError, match='modality "visual" has features of shape'):
            client.encode_items({"visual": np.zeros((2, 2, 2, 2))})
        with pytest.raises(InvalidInputError, match="found 2 sequences"):
            client.encode_items({"textual": np.zeros((1, 3)), "visual": [np.zeros((1, 6))] * 2})
        broken = new_items()["visual"].values.copy()
        broken[0] = np.nan
        with pytest.raises(InvalidInputError, match="item 0"):
            client.encode_items({"visual": TokenArrays(broken, new_items()["visual"].lengths)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"visual_lengths": np.array([9])}, "a length outside of 0 to their number"),
        ({"visual_lengths": np.array([-1])}, "a length outside of 0 to their number"),
        ({"visual_lengths": np.array([1, 1])}, "expected both for the same"),
    ],
)
def test_a_raw_request_that_does_not_fit_is_refused_by_the_graph(changes, message, version):
    inputs = {
        "visual": np.zeros((1, 2, 6), np.float32),
        "visual_lengths": np.array([2]),
        "visual_times": np.zeros((1, 2), np.float32),
        "acoustic": np.zeros((1, 1, 4), np.float32),
        "acoustic_lengths": np.array([0]),
        "acoustic_times": np.zeros((1, 1), np.float32),
        "textual": np.zeros((1, 0), np.float32),
        "textual_present": np.array([False]),
    }
    signature = tf.saved_model.load(str(version)).signatures["encode_items"]
    taken = signature.structured_input_signature[1]
    tensors = {name: tf.constant(array) for name, array in (inputs | changes).items() if name in taken}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signature(**tensors)


def test_warm_up_requests_have_sequences(version):
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    requests = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        for record in tf.data.TFRecordDataset(str(file))
    ]
    encoding = [request for request in requests if request.model_spec.signature_name == "encode_items"]
    assert len(encoding) == 7
    for request in encoding:
        values = tf.make_ndarray(request.inputs["visual"])
        assert values.shape[1:] in ((8, 6), (11, 6))
        assert tf.make_ndarray(request.inputs["visual_lengths"]).max() <= values.shape[1]


@pytest.mark.long
def test_a_process_without_this_project_encodes_sequences(run, version, tmp_path):
    model, _ = load_model(run, None)
    features, inputs = new_items(), {}
    for name in ("visual", "acoustic"):
        there = np.arange(32) < features[name].lengths[:, np.newaxis]
        values, times = np.zeros((NEW, 32, features[name].width), np.float32), np.zeros((NEW, 32), np.float32)
        values[there], times[there] = features[name].values, features[name].times
        inputs |= {f"{name}": values, f"{name}_lengths": features[name].lengths, f"{name}_times": times}
    inputs |= {"textual": features["textual"], "textual_present": np.ones(NEW, bool)}
    if model.item_tower.form == "vectors":
        inputs = {name: array for name, array in inputs.items() if not name.endswith("_times")}
    np.savez(tmp_path / "inputs.npz", **inputs)
    words = [sys.executable, "-c", ENCODE, version]
    finished = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    found = np.load(tmp_path / "embedding.npy")
    np.testing.assert_allclose(found, embedded(model, features), rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_a_refresh_keeps_the_weights_and_tells_changed_sequences(run, record_set, tmp_path):
    grown = remove(record_set, tmp_path / "grown", items=["v0"]).record_set
    version, changes = export_refreshed(run, tmp_path / "refreshed", records=grown.folder, trained_on=record_set.folder)
    assert (changes.items_removed, changes.items_changed) == (1, 0)
    before, _ = load_model(run, None)
    with Client(version) as client:
        np.testing.assert_allclose(
            client.encode_items(new_items()), embedded(before, new_items()), rtol=1e-4, atol=1e-5
        )


@pytest.mark.long
def test_a_refresh_of_a_token_fusion_refuses_vectors(run, record_set, tmp_path):
    content = json.loads((record_set.folder / "metadata.json").read_text())
    assert content["schema_version"] == 3
    random = np.random.default_rng(0)
    splits = {"train": Interactions(np.arange(USERS), np.arange(USERS))}
    modalities = {
        name: ModalityFeatures(random.normal(size=(ITEMS, width)).astype(np.float32), np.arange(ITEMS))
        for name, width in (("acoustic", 4), ("textual", 3), ("visual", 6))
    }
    ids = [f"u{number}" for number in range(USERS)], [f"v{number}" for number in range(ITEMS)]
    vectors = write_record_set(RawData("vectors", *ids, splits["train"], modalities), splits, tmp_path / "vectors")
    refreshing = {"records": vectors.folder, "trained_on": record_set.folder, "allow_leakage": True}
    if run.configuration.model.fusion.takes == "vectors":
        _, changes = export_refreshed(run, tmp_path / "refreshed", **refreshing)
        assert changes.items_changed == ITEMS
        return
    with pytest.raises(InvalidInputError, match='"acoustic" has one vector an item, but the run was trained on token'):
        export_refreshed(run, tmp_path / "refreshed", **refreshing)


def test_features_without_values_are_sequences_without_tokens():
    assert sequences_of("visual", np.zeros((2, 0))).lengths.tolist() == [0, 0]
