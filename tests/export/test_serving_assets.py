"""Warm-up requests and model card of a version, against the written model."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.batch_sizes import ALLOWED_BATCH_SIZES
from tf_metammf.export.sample_requests import SampleRequests
from tf_metammf.export.server_batching import can_be_merged
from tf_metammf.export.serving_assets import write_serving_assets
from tf_metammf.export.signatures import Signature, TensorSpec, read_signatures
from tf_metammf.export.warmup import MAX_RECORDS, WarmupRequest, write_warmup

CAN_BE_MERGED = {"serving_default", "similar_items", "encode_items", "similar_to_new_items"}
CANNOT = {"recommend", "recommend_new_items"}
PROVENANCE = {
    "data": {"name": "odd", "checksum": "abc", "users": 21, "items": 200},
    "configuration": {"model": {"id_units": 4}},
    "training": {"state": {"state": "finished"}, "environment": None},
    "metrics": {"test": {"recall@20": 0.25, "map@20": 0.125}},
}


@pytest.fixture(scope="module")
def samples(catalogue) -> SampleRequests:
    presence = {"acoustic": np.arange(len(catalogue.item_ids)) % 2 == 0}
    return SampleRequests(catalogue.user_ids, catalogue.item_ids, catalogue.features, presence)


def with_assets(version: Path, folder: Path, samples: SampleRequests, **options: Any) -> Path:
    copy = folder / "1"
    shutil.copytree(version, copy)
    write_serving_assets(copy, samples, **({"batching": False, "provenance": PROVENANCE} | options))
    return copy


@pytest.fixture(scope="module")
def complete(version, samples, tmp_path_factory) -> Path:
    """The version with its assets."""
    return with_assets(version, tmp_path_factory.mktemp("complete"), samples)


@pytest.fixture(scope="module")
def for_batching(version, samples, tmp_path_factory) -> Path:
    """The version with its assets for a server that batches."""
    return with_assets(version, tmp_path_factory.mktemp("batching"), samples, batching=True)


def warmup_requests(version: Path) -> list[Any]:
    records = tf.data.TFRecordDataset(str(version / "assets.extra" / "tf_serving_warmup_requests"))
    return [prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request for record in records]


def rows(request: Any) -> int:
    return max(tensor.tensor_shape.dim[0].size for tensor in request.inputs.values() if tensor.tensor_shape.dim)


def test_every_signature_is_warmed_up_with_every_batch_size(complete):
    found = [(request.model_spec.signature_name, rows(request)) for request in warmup_requests(complete)]
    assert set(found) == {(name, size) for name in read_signatures(complete) for size in ALLOWED_BATCH_SIZES}
    assert len(found) == len(set(found)) <= MAX_RECORDS


def test_a_server_that_feeds_every_request_by_the_names_of_the_tensors_is_answered(complete):
    requests = warmup_requests(complete)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        definitions = tf.compat.v1.saved_model.load(session, ["serve"], str(complete)).signature_def
        for request in requests:
            definition = definitions[request.model_spec.signature_name]
            assert set(request.inputs) == set(definition.inputs)
            for name, tensor in request.inputs.items():
                assert tensor.dtype == definition.inputs[name].dtype
            feeds = {definition.inputs[name].name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            found = session.run({name: tensor.name for name, tensor in definition.outputs.items()}, feeds)
            assert len(next(iter(found.values()))) == rows(request)
            assert rows(request) == 1 or found.get("known", np.array(True)).any()
            assert found.get("valid", np.array(True)).all()


def test_requests_have_the_ids_and_features_of_the_data(catalogue, complete):
    for request in warmup_requests(complete):
        for name, tensor in request.inputs.items():
            values = tf.make_ndarray(tensor)
            if values.dtype == object:
                ids = catalogue.user_ids if name == "user_id" else catalogue.item_ids
                assert {raw.decode() for raw in values.ravel()} <= set(ids)
            elif name in catalogue.features:
                present = tf.make_ndarray(request.inputs[f"{name}_present"])
                rows_of_data = {row.tobytes() for row in catalogue.features[name]}
                assert {row.tobytes() for row in values[present]} <= rows_of_data
                assert not values[~present].any()


def test_only_what_a_batching_server_can_merge_is_in_its_warm_up(for_batching):
    requests = warmup_requests(for_batching)
    names = {request.model_spec.signature_name for request in requests}
    assert names >= CAN_BE_MERGED and not names & CANNOT
    for request in requests:
        # What such a server demands of every request, alone or not.
        assert len({tuple(dim.size for dim in value.tensor_shape.dim)[:1] for value in request.inputs.values()}) == 1
        assert all(value.tensor_shape.dim for value in request.inputs.values())


def test_users_and_items_of_one_request_are_told_apart_by_asking(samples):
    spec = TensorSpec("string", (None,))
    signature = Signature({"user_id": spec, "item_id": spec}, {"score": TensorSpec("float32", (None, None))})

    def pairs(_, inputs):
        return {"score": np.array([len(raw) for raw in inputs["user_id"]], np.float32)}

    def crossed(_, inputs):
        return {"score": np.zeros((len(inputs["user_id"]), len(inputs["item_id"])), np.float32)}

    def mixed(_, inputs):
        return {"score": np.full(len(inputs["user_id"]), len(inputs["user_id"]), np.float32)}

    assert can_be_merged(pairs, "score", signature, samples)
    assert not can_be_merged(crossed, "score", signature, samples)
    assert not can_be_merged(mixed, "score", signature, samples)


@pytest.mark.parametrize(
    ("name", "spec", "shape"),
    [
        ("user_id", TensorSpec("string", (None,)), (3,)),
        ("history_item_id", TensorSpec("string", (None, None)), (3, 4)),
        ("k", TensorSpec("int32", ()), ()),
        ("visual", TensorSpec("float32", (None, None)), (3, 6)),
    ],
)
def test_signatures_need_not_be_known_for_samples_of_them(samples, name, spec, shape):
    value = samples.inputs(Signature({name: spec}, {}), 3)[name]
    assert (value.shape, value.dtype) == (shape, np.dtype(spec.numpy_dtype))


@pytest.mark.parametrize("spec", [TensorSpec("float32", (None, 3)), TensorSpec("string", None)])
def test_a_signature_without_samples_is_served_and_not_warmed_up(samples, spec):
    signature = Signature({"unheard_of": spec}, {})
    assert not samples.has(signature)
    with pytest.raises(InvalidInputError, match=r'input "unheard_of", .*: there is no sample'):
        samples.inputs(signature, 1)


def test_more_requests_than_a_server_loads_are_refused(tmp_path):
    with pytest.raises(ValueError, match="1001 warm-up requests, expected at most 1000"):
        write_warmup(tmp_path, [WarmupRequest("serving_default", 1, {})] * 1001)


def test_the_card_has_data_metrics_configuration_signatures_packages_and_latency(version, complete):
    card = json.loads((complete / "assets.extra" / "model_card.json").read_text())
    assert {name: card[name] for name in PROVENANCE} == PROVENANCE
    assert set(card["signatures"]) == set(read_signatures(version))
    batched = {name for name, signature in card["signatures"].items() if signature["server_batching"]}
    assert batched >= CAN_BE_MERGED and not batched & CANNOT
    recommend = card["signatures"]["recommend"]
    assert recommend["inputs"]["k"] == {"dtype": "int32", "shape": []}
    assert recommend["outputs"]["item_id"] == {"dtype": "string", "shape": [None, None]}
    assert card["signatures"]["serving_default"]["outputs"]["score"] == {"dtype": "float32", "shape": [None, 3]}
    assert [row["batch_size"] for row in card["latency"]["measured"]] == [1, 32]
    assert all(0 < row["median_ms"] <= row["maximum_ms"] for row in card["latency"]["measured"])
    assert card["latency"]["environment"]["packages"]["tensorflow"] == tf.__version__
    resources = card["resources"]
    before_the_card = [
        path for path in complete.rglob("*") if path.is_file() and not path.name.startswith(("model_card", "manifest"))
    ]
    assert resources["bytes"] >= sum(path.stat().st_size for path in before_the_card)
    assert resources["seconds_to_load"] > 0
    assert resources["memory_bytes"] is None or resources["memory_bytes"] >= 0


def test_the_card_can_be_read_by_people(complete):
    text = (complete / "assets.extra" / "model_card.md").read_text()
    assert "| recall@20 | 0.2500 |" in text and "map@20" not in text
    assert "| `recommend` | input | `k` | int32 | [] |" in text
    (note,) = [line for line in text.splitlines() if line.startswith("A server may batch requests to ")]
    assert "`serving_default`" in note and "`recommend`" not in note
    assert "| checksum | abc |" in text and "id_units: 4" in text
    assert "| users | 21 |" in text and "Licence: not stated." in text
    assert "| on disk | " in text and "| time to load | " in text
    assert "- Users who are not in the data get popular items; recommend_for_history serves them" in text


def test_signatures_read_from_disk_are_those_of_the_loaded_model(version, signatures):
    for name, signature in read_signatures(version).items():
        function = signatures[name]
        for found, expected in (
            (signature.inputs, function.structured_input_signature[1]),
            (signature.outputs, function.structured_outputs),
        ):
            assert {key: (spec.dtype, list(spec.shape)) for key, spec in found.items()} == {
                key: (spec.dtype.name, spec.shape.as_list()) for key, spec in expected.items()
            }
    assert set(read_signatures(version)) == set(signatures)
