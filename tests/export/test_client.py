"""Asking a server: the stand-in, and the real one where there is one, over REST and over gRPC."""

import inspect
from collections.abc import Iterator

import numpy as np
import pytest
from server_process import ServerProcess, real_server

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.endpoint import ModelSpec
from tf_metammf.export.endpoints import open_endpoint
from tf_metammf.export.recommender import Recommender
from tf_metammf.export.serving_error import ServingError
from tf_metammf.export.signatures import Signature, read_signatures

USERS = 21
METHODS = ("recommend", "similar_items", "encode_items", "place_of_new_items")


@pytest.fixture(scope="module")
def recommender(version) -> Recommender:
    return Recommender(version)


@pytest.fixture(scope="module", params=["stand-in", *(["tensorflow_model_server"] if real_server() else [])])
def server(request, version) -> Iterator[object]:
    if request.param == "stand-in":
        yield request.getfixturevalue("stand_in")
        return
    with ServerProcess(real_server(), version.parent) as process:
        yield process


@pytest.fixture(scope="module", params=["http", "grpc"])
def client(request, server) -> Iterator[Client]:
    with Client(server.endpoint(request.param)) as client:
        yield client


def assert_same(found, expected):
    assert [(one.query, one.known, one.item_ids) for one in found] == [
        (one.query, one.known, one.item_ids) for one in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one.scores.dtype == np.float32
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5, atol=1e-6)


def test_methods_are_those_of_the_recommender():
    for name in METHODS:
        of_client, of_recommender = (inspect.signature(getattr(owner, name)) for owner in (Client, Recommender))
        assert of_client.parameters == of_recommender.parameters


def test_recommendations_are_those_of_the_model_in_this_process(catalogue, recommender, client):
    long = [str(user) * 2**20 for user in range(5)]  # more than 4 MB, which gRPC takes by itself
    users = [*catalogue.user_ids, "nobody", "", *long]
    assert_same(client.recommend(users, 7), recommender.recommend(users, 7))
    exclude = [[], ["no such item"], *([catalogue.item_ids[4], catalogue.item_ids[user]] for user in range(26))]
    arguments = {"exclude": exclude, "exclude_seen": False}
    assert_same(client.recommend(users, 10**12, **arguments), recommender.recommend(users, 10**12, **arguments))


def test_similar_items_are_found_and_none_of_unknown_ones(catalogue, recommender, client):
    items = [*catalogue.item_ids[:30], "no such item"]
    assert_same(client.similar_items(items), recommender.similar_items(items))


def test_new_items_are_embedded_and_placed(catalogue, recommender, client):
    features = catalogue.new_items(9)
    presence = {"acoustic": np.arange(9) % 2 == 0}
    users = [*catalogue.user_ids, "nobody"]
    np.testing.assert_allclose(
        client.encode_items(features, presence=presence),
        recommender.encode_items(features, presence=presence),
        rtol=1e-5,
        atol=1e-6,
    )
    found = client.place_of_new_items(users, {"visual": features["visual"]})
    expected = recommender.place_of_new_items(users, {"visual": features["visual"]})
    np.testing.assert_array_equal(found.known, expected.known)
    np.testing.assert_array_equal(found.ranks, expected.ranks)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5, atol=1e-6)


def test_long_lists_become_several_requests_with_the_same_answer(catalogue, recommender, client, server):
    users, features = catalogue.user_ids, catalogue.new_items(9)
    exclude = [[catalogue.item_ids[user]] for user in range(USERS)]
    before = len(getattr(server, "requests", []))
    few = Client(client._name.rpartition(":")[0], rows_per_request=4)
    assert_same(few.recommend(users, 5, exclude=exclude), recommender.recommend(users, 5, exclude=exclude))
    if hasattr(server, "requests"):
        assert server.requests[before:] == [4, 4, 4, 4, 4, 1]
    assert_same(few.similar_items(users), recommender.similar_items(users))
    np.testing.assert_allclose(few.encode_items(features), recommender.encode_items(features), rtol=1e-5, atol=1e-6)
    found, expected = (who.place_of_new_items(users, features) for who in (few, recommender))
    np.testing.assert_array_equal(found.known, expected.known)
    np.testing.assert_array_equal(found.ranks, expected.ranks)
    few.close()


def test_nothing_asked_is_nothing_answered(catalogue, client):
    features = catalogue.new_items(0)
    assert client.recommend([]) == client.similar_items([]) == []
    assert client.encode_items(features).shape == (0, 9)
    places = client.place_of_new_items([catalogue.user_ids[0], "nobody"], features)
    assert places.known.tolist() == [True, False]
    assert places.scores.shape == places.ranks.shape == (2, 0)
    assert client.place_of_new_items([], catalogue.new_items(3)).ranks.shape == (0, 3)


def test_any_signature_can_be_asked_with_types_and_infinities_intact(catalogue, version, client):
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


def test_features_that_are_no_numbers_reach_the_model_and_harm_their_row_alone(catalogue, client):
    features = catalogue.new_items(3)
    features["visual"][1, 2], features["acoustic"][2, 0] = np.nan, -np.inf
    inputs = {**features, "visual_present": [True] * 3, "acoustic_present": [True] * 3}
    answer = client.predict("encode_items", inputs)
    assert answer["valid"].tolist() == [True, False, False]
    assert np.isnan(answer["embedding"]).any(axis=1).tolist() == [False, True, True]
    with pytest.raises(InvalidInputError, match="new item 1 has NaN or infinite features"):
        client.encode_items(features)


BAD_REQUESTS = [
    ("serving_default", {}, 'input "user_id" is missing, expected string \\[\\?\\]'),
    ("serving_default", {"user": ["7"]}, 'unknown input of serving_default: "user"; did you mean "user_id"'),
    ("serving_default", {"user_id": [7]}, 'input "user_id" has 7, expected text'),
    ("serving_default", {"user_id": [["7"]]}, "has the shape \\[1, 1\\], expected string \\[\\?\\]"),
    ("serving_default", {"user_id": "7"}, "has the shape \\[\\], expected string"),
    ("serving_default", {"user_id": ["\udcff"]}, "not UTF-8 text; give it as bytes"),
    ("no_such", {}, 'has no signature "no_such", it has encode_items, '),
]


@pytest.mark.parametrize(("signature", "inputs", "message"), BAD_REQUESTS)
def test_a_request_that_does_not_fit_the_signature_is_not_sent(catalogue, client, signature, inputs, message):
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
def test_a_bad_request_that_is_sent_all_the_same_is_refused_by_the_server_and_harms_nobody(client, signature, inputs):
    endpoint = open_endpoint(client._name.rpartition(":")[0], ModelSpec("model"))
    with pytest.raises((InvalidInputError, ServingError)) as refused:
        endpoint.predict(signature, Signature({}, {}), inputs, 10.0)
    assert getattr(refused.value, "code", "INVALID_ARGUMENT") in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")
    assert client.recommend(["nobody"])[0].item_ids
    endpoint.close()


@pytest.mark.parametrize("options", [{"model": "other"}, {"version": 99}])
def test_a_model_or_version_that_is_not_there_is_not_found(client, options):
    with Client(client._name.rpartition(":")[0], **options) as other:
        with pytest.raises(ServingError, match=r"NOT_FOUND: .*Check which models and versions") as refused:
            other.recommend(["7"])
        assert refused.value.code == "NOT_FOUND"
        with pytest.raises(ServingError, match="NOT_FOUND"):
            other.status()


def test_status_and_version_tell_what_is_served(catalogue, client):
    assert [(status.version, status.state, status.error) for status in client.status()] == [(1, "AVAILABLE", "")]
    with Client(client._name.rpartition(":")[0], version=1) as first:
        assert first.recommend([catalogue.user_ids[3]])[0].known
        assert [status.version for status in first.status()] == [1]
