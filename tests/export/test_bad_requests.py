"""Wrong requests in the kind of session that TensorFlow Serving runs: a clear error, and the next one is answered."""

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="module")
def ask(version):
    """Asks a signature by name with a request by input name, as a server does."""
    graph = tf.Graph()
    with graph.as_default():
        session = tf.compat.v1.Session(graph=graph)
        # A copy, because a map of a message makes what it does not have.
        definitions = dict(tf.compat.v1.saved_model.load(session, ["serve"], str(version)).signature_def)

    def ask(signature: str, request: dict[str, object]) -> dict[str, np.ndarray]:
        definition = definitions[signature]
        feeds = {definition.inputs[name].name: value for name, value in request.items()}
        return session.run({name: tensor.name for name, tensor in definition.outputs.items()}, feeds)

    yield ask
    session.close()


def features(catalogue, count: int) -> dict[str, np.ndarray]:
    inputs = catalogue.new_items(count)
    return inputs | {f"{name}_present": np.ones(count, bool) for name in list(inputs)}


RECOMMEND = {
    "user_id": ["7"],
    "k": np.int32(3),
    "exclude_item_id": np.zeros([1, 0], object),
    "exclude_seen": np.bool_(True),
}


@pytest.mark.parametrize(
    ("signature", "request_", "message"),
    [
        ("serving_default", {}, "must feed a value for placeholder tensor 'serving_default_user_id'"),
        ("serving_default", {"user_id": [["7"]]}, r"Cannot feed value of shape \(1, 1\)"),
        ("recommend", {**RECOMMEND, "k": [3]}, r"Cannot feed value of shape \(1,\)"),
        ("recommend", {**RECOMMEND, "k": "three"}, "invalid literal"),
        (
            "recommend",
            {name: RECOMMEND[name] for name in ("user_id", "k", "exclude_seen")},
            "recommend_exclude_item_id",
        ),
        ("recommend", {**RECOMMEND, "exclude_item_id": [["1"], ["2"]]}, r"exclude_item_id: found \[2 1\]"),
        ("score", {"user_id": ["7", "07"], "item_id": ["7"]}, "item_id: found 1 items, expected one for each of the 2"),
        ("recommend_for_history", {"history_item_id": ["7"], "k": np.int32(2)}, r"Cannot feed value of shape \(1,\)"),
        ("explain_items", {"item_id": [["7"]]}, r"Cannot feed value of shape \(1, 1\)"),
        ("encode_items", {"visual": ["text"]}, "could not convert string to float"),
    ],
)
def test_a_wrong_request_is_told_why_and_the_next_one_is_answered(ask, signature, request_, message):
    expected = ask("recommend", RECOMMEND)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=message):
        ask(signature, request_)
    np.testing.assert_array_equal(ask("recommend", RECOMMEND)["item_id"], expected["item_id"])


def test_a_signature_that_is_not_there_is_refused_by_name(ask):
    with pytest.raises(KeyError, match="recomend"):
        ask("recomend", RECOMMEND)


@pytest.mark.parametrize("signature", ["encode_items", "explain_new_items", "recommend_new_items"])
def test_features_of_another_width_are_refused_and_the_next_request_is_answered(catalogue, ask, signature):
    request = features(catalogue, 2) | ({"user_id": ["7"]} if signature == "recommend_new_items" else {})
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"modality visual: found features \[2 5\]"):
        ask(signature, request | {"visual": np.zeros((2, 5), np.float32)})
    assert ask(signature, request)["valid"].all()


def test_features_that_are_no_numbers_fail_their_own_row_alone(catalogue, ask):
    request = features(catalogue, 3)
    request["visual"][1] = np.nan
    assert ask("encode_items", request)["valid"].tolist() == [True, False, True]
    assert ask("explain_new_items", request)["valid"].tolist() == [True, False, True]


def test_ids_of_a_megabyte_are_unknown_ids(catalogue, ask):
    huge = "x" * 2**20
    assert ask("recommend", RECOMMEND | {"user_id": [huge], "exclude_item_id": [[huge]]})["known"].tolist() == [False]
    pair = ask("score", {"user_id": [huge], "item_id": [huge]})
    assert (pair["known_user"].tolist(), pair["known_item"].tolist()) == ([False], [False])
    assert ask("explain_items", {"item_id": [huge, catalogue.item_ids[0]]})["known"].tolist() == [False, True]
    history = ask("recommend_for_history", {"history_item_id": [[huge, catalogue.item_ids[0]]], "k": np.int32(2)})
    assert history["known"].tolist() == [True]
