"""Requests to a signature by its name: types that are kept, and requests that are refused."""

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.endpoint import ModelSpec
from tf_metammf.export.endpoints import open_endpoint
from tf_metammf.export.serving_error import ServingError
from tf_metammf.export.signatures import Signature, read_signatures


def test_any_signature_can_be_queried_with_types_and_infinities_intact(catalogue, version, client):
    answer = client.predict("similar_items", {"item_id": [catalogue.item_ids[0], b"\xff\x00 no UTF-8"]})
    assert {name: (array.dtype, array.shape) for name, array in answer.items()} == {
        "item_id": (np.dtype(object), (2, 3)),
        "known": (np.dtype(bool), (2,)),
        "score": (np.dtype(np.float32), (2, 3)),
    }
    assert answer["known"].tolist() == [True, False]
    assert answer["item_id"][1].tolist() == [b"", b"", b""]
    assert answer["score"][1].tolist() == [-np.inf] * 3
    assert client.signatures() == read_signatures(version)


def test_features_that_are_not_numbers_reach_the_model_and_affect_their_row_alone(catalogue, client):
    features = catalogue.new_items(3)
    features["visual"][1, 2], features["acoustic"][2, 0] = np.nan, -np.inf
    inputs = {**features, "visual_present": [True] * 3, "acoustic_present": [True] * 3}
    answer = client.predict("encode_items", inputs)
    assert answer["valid"].tolist() == [True, False, False]
    assert np.isnan(answer["embedding"]).any(axis=1).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("serving_default", {}, 'input "user_id" is missing, expected string \\[\\?\\]'),
        ("serving_default", {"user": ["7"]}, 'unknown input of serving_default: "user"; did you mean "user_id"'),
        ("serving_default", {"user_id": [7]}, 'input "user_id" has 7, expected text'),
        ("serving_default", {"user_id": [["7"]]}, "has the shape \\[1, 1\\], expected string \\[\\?\\]"),
        ("serving_default", {"user_id": "7"}, "has the shape \\[\\], expected string"),
        ("serving_default", {"user_id": ["\udcff"]}, "not UTF-8 text; give it as bytes"),
        ("no_such", {}, 'has no signature "no_such", it has encode_items, '),
    ],
)
def test_a_request_that_does_not_fit_the_signature_is_not_sent(client, signature, inputs, message):
    with pytest.raises(InvalidInputError, match=message):
        client.predict(signature, inputs)


@pytest.mark.parametrize(
    ("k", "message"),
    [(2.5, "has the type float64, expected int32"), (2**40, "has numbers that int32 cannot hold")],
)
def test_a_number_that_does_not_fit_is_not_sent(client, k, message):
    inputs = {"user_id": ["7"], "exclude_item_id": [[]], "exclude_seen": True, "k": k}
    with pytest.raises(InvalidInputError, match=message):
        client.predict("recommend", inputs)


def test_what_only_the_model_can_refuse_comes_back_in_its_words_and_the_next_request_is_answered(catalogue, client):
    features = catalogue.new_items(2)
    wrong = {**features, "visual": np.zeros((2, 5)), "visual_present": [True] * 2, "acoustic_present": [True] * 2}
    with pytest.raises(InvalidInputError, match=r": modality visual: found features \[2 5\], expected \[batch, 6\]"):
        client.predict("encode_items", wrong)
    inputs = {"user_id": ["7", "8"], "exclude_item_id": [["a"]], "exclude_seen": True, "k": 1}
    with pytest.raises(InvalidInputError, match=r": exclude_item_id: found \[1 1\], expected one row for each"):
        client.predict("recommend", inputs)
    assert client.recommend([catalogue.user_ids[3]])[0].known


@pytest.fixture(scope="module")
def endpoint(address):
    """The way to the model, without the client's checks."""
    endpoint = open_endpoint(address, ModelSpec("model"))
    yield endpoint
    endpoint.close()


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [
        ("serving_default", {"user_id": np.array([1.5], np.float32)}),
        ("serving_default", {"user_id": np.array([[b"7"]], object)}),
        ("recommend", {"user_id": np.array([b"7"], object), "k": np.array(1, np.int32)}),
        ("no_such", {"user_id": np.array([b"7"], object)}),
    ],
    ids=["type", "rank", "missing", "signature"],
)
def test_a_bad_request_that_is_sent_all_the_same_is_refused_and_affects_no_other(client, endpoint, signature, inputs):
    with pytest.raises((InvalidInputError, ServingError)) as refused:
        endpoint.predict(signature, Signature({}, {}), inputs, 10.0)
    assert getattr(refused.value, "code", "INVALID_ARGUMENT") in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")
    assert client.recommend(["nobody"])[0].item_ids


def test_a_server_gets_at_most_the_rows_of_a_request(catalogue, stand_in):
    for scheme in ("http", "grpc"):
        before = len(stand_in.requests)
        with Client(stand_in.endpoint(scheme), rows_per_request=4) as few:
            few.recommend(catalogue.user_ids)
        assert stand_in.requests[before:] == [4, 4, 4, 4, 4, 1]


@pytest.mark.parametrize("options", [{"model": "other"}, {"version": 99}])
def test_a_model_or_version_that_a_server_does_not_have_is_not_found(server_address, options):
    with Client(server_address, **options) as other:
        with pytest.raises(ServingError, match=r"NOT_FOUND: .*Check which models and versions") as refused:
            other.recommend(["7"])
        assert refused.value.code == "NOT_FOUND"
        with pytest.raises(ServingError, match="NOT_FOUND"):
            other.status()


def test_status_and_version_tell_what_is_served(catalogue, client, address):
    assert [(status.version, status.state, status.error) for status in client.status()] == [(1, "AVAILABLE", "")]
    with Client(address, version=1) as first:
        assert first.recommend([catalogue.user_ids[3]])[0].known
        assert [status.version for status in first.status()] == [1]
