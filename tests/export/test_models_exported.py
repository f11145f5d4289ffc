"""Every kind of model is exported: fusions, combinations, precision, a user's own layer, IDs alone."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.fusion.modality_shares import modality_shares


class OwnFusion(keras.layers.Layer):
    """A fusion that the project has never seen, with a constant that is no weight."""

    def __init__(self):
        super().__init__()
        self.projection = keras.layers.Dense(4)
        self.offset = tf.constant([1.0, 2.0, 3.0, 4.0])

    def call(self, inputs):
        return self.projection(tf.concat([inputs[name] for name in sorted(inputs)], axis=-1)) + self.offset


MODELS = {
    "full tensors, embeddings added and normalised": {
        "fusion_options": {"units": (6, 4), "meta_units": 2, "rank": None},
        "combination": "add",
        "normalize": True,
    },
    "a layer of the user's own, content alone, not standardised": {
        "fusion": OwnFusion,
        "fusion_options": None,
        "id_units": 0,
        "standardize": False,
    },
    "gated, normalised": {"fusion": "gated", "fusion_options": {"units": (6,)}, "normalize": True},
    "concatenation, a graph with weights": {
        "fusion": "concatenation",
        "fusion_options": {"units": (6,)},
        "encoder": "sage",
    },
    "sum, a graph without weights": {"fusion": "sum", "fusion_options": {"units": (6, 5)}, "encoder": "lightgcn"},
    "attention, a graph without weights, half precision": {
        "fusion": "attention",
        "fusion_options": {"units": (6,)},
        "encoder": "lightgcn",
        "policy": "mixed_float16",
    },
    "a peer that looks at content itself": {"encoder": "vbpr", "fusion": None, "fusion_options": None},
    "a peer with graphs of modalities": {"encoder": "mmgcn", "fusion": None, "fusion_options": None},
}


FIRST = ("full tensors, embeddings added and normalised", "a peer with graphs of modalities")
"""The two that ``make test`` takes; ``make test-long`` takes the others."""


@pytest.fixture(params=[pytest.param(name, marks=() if name in FIRST else pytest.mark.long) for name in MODELS])
def other_catalogue(request, make_catalogue):
    options = dict(MODELS[request.param])
    if options.get("fusion") is OwnFusion:
        options["fusion"] = OwnFusion()
    keras.mixed_precision.set_global_policy(options.pop("policy", "float32"))
    try:
        yield make_catalogue(**options)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_an_export_answers_as_its_model(other_catalogue, tmp_path):
    client = Client(other_catalogue.export(tmp_path))
    for found, scores in zip(client.recommend(other_catalogue.user_ids, 5), other_catalogue.unseen_scores, strict=True):
        ids, best = other_catalogue.best(scores, 5)
        assert found.item_ids == [raw for raw in ids if raw]
        np.testing.assert_allclose(found.scores, best[best > -np.inf], rtol=1e-5, atol=1e-5)
    features = other_catalogue.new_items(6)
    presence = {"acoustic": np.arange(6) != 1, "visual": np.arange(6) > 1}
    expected = other_catalogue.model.embed_new_items(features, presence)
    np.testing.assert_allclose(client.encode_items(features, presence=presence), expected, rtol=1e-5, atol=1e-5)
    shares = modality_shares(other_catalogue.model, features, presence)
    found = client.explain_new_items(features, presence=presence)
    np.testing.assert_allclose([list(each.shares.values()) for each in found], shares, rtol=1e-4, atol=1e-4)
    pairs = client.score(other_catalogue.user_ids, other_catalogue.item_ids[: len(other_catalogue.user_ids)])
    np.testing.assert_allclose(pairs.scores, np.diagonal(other_catalogue.scores), rtol=1e-5, atol=1e-5)
    history = [other_catalogue.item_ids[item] for item in (3, 50, 7)]
    (of_history,) = client.recommend_for_history([history], 200)
    assert of_history.known and np.isfinite(of_history.scores).all()
    assert set(of_history.item_ids) == set(other_catalogue.item_ids) - set(history)


def test_a_model_of_ids_alone_has_no_signatures_for_new_items(make_catalogue, tmp_path):
    catalogue = make_catalogue(fusion=None, fusion_options=None)
    client = Client(catalogue.export(tmp_path))
    assert sorted(client.signatures()) == [
        "recommend",
        "recommend_for_history",
        "score",
        "serving_default",
        "similar_items",
    ]
    with pytest.raises(
        InvalidInputError, match=r'no signature "encode_items", it has recommend.* need a model with a f'
    ):
        client.encode_items(catalogue.new_items(2))


@pytest.mark.parametrize(
    "encoder",
    [
        "lattice",
        *(
            pytest.param(encoder, marks=pytest.mark.long)
            for encoder in ("freedom", "bm3", "mgcn", "lgmrec", "smore", "mmhcl", "diffmm")
        ),
    ],
)
def test_a_peer_that_needs_the_catalogue_around_an_item_has_no_signatures_for_new_ones(
    make_catalogue, tmp_path, encoder
):
    catalogue = make_catalogue(encoder=encoder)
    client = Client(catalogue.export(tmp_path))
    assert "encode_items" not in client.signatures() and "explain_items" not in client.signatures()
    for found, scores in zip(client.recommend(catalogue.user_ids, 5), catalogue.unseen_scores, strict=True):
        assert found.item_ids == [raw for raw in catalogue.best(scores, 5)[0] if raw]


def test_a_second_export_has_the_same_ids_and_variables(catalogue, version, tmp_path):
    first, second = version, catalogue.export(tmp_path)
    for name in ("users.txt", "items.txt"):
        assert _asset(first, name) == _asset(second, name)
    data = "variables/variables.data-00000-of-00001"
    assert (first / data).read_bytes() == (second / data).read_bytes()
    assert (first / "assets.extra/index.json").read_bytes() == (second / "assets.extra/index.json").read_bytes()


def _asset(version, name: str) -> bytes:
    return (version / "assets" / name).read_bytes()
