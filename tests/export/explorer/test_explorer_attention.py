"""The attention of a fusion over time goes with its export, and to the explorer."""

import numpy as np
import pytest

from tf_metammf import MetaMMF, QueryFusion
from tf_metammf.explorer.catalogue import exported_catalogue
from tf_metammf.export.attention import FILE
from tf_metammf.export.saved_model import export_model
from tf_metammf.fusion.item_attention import item_attention
from tf_metammf.records import TokenArrays

ITEMS, USERS = 6, 4


def a_model(**options) -> MetaMMF:
    random = np.random.default_rng(0)
    lengths = [3, 0, 5, 1, 2, 4]  # the second item has no sound
    windows = [random.normal(size=(length, 3)) if length else None for length in lengths]
    features = {
        "acoustic": TokenArrays.of(windows, times=[np.arange(length) / 2 if length else None for length in lengths]),
        "textual": random.normal(size=(ITEMS, 2)),
    }
    presence = {"acoustic": np.array(lengths) > 0}
    frequency = np.array([3, 2, 1, 1, 1, 0])
    return MetaMMF(
        USERS, features, "in_batch_softmax", presence=presence, item_frequency=frequency, id_units=4, **options
    )


def exported(model: MetaMMF, folder):
    seen = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 0, 2, 3, 4])
    return export_model(
        model,
        folder,
        user_ids=[f"u{user}" for user in range(USERS)],
        item_ids=[f"v{item}" for item in range(ITEMS)],
        seen=seen,
    )


def test_attention_of_all_items_stands_beside_the_graph(tmp_path):
    model = a_model(fusion=QueryFusion((4,), token_units=8))
    version = exported(model, tmp_path / "models")
    found = exported_catalogue(version).attention
    expected = item_attention(model, *model.item_features.lookup(list(range(ITEMS))))
    for item in range(ITEMS):
        assert found.of(item).keys() == expected[item].keys()
        for name, weights in expected[item].items():
            np.testing.assert_array_equal(found.of(item)[name].times, weights.times)
            np.testing.assert_allclose(found.of(item)[name].weights, weights.weights, rtol=1e-5)
    assert list(found.of(1)) == ["textual"]


def test_a_fusion_of_means_has_none(tmp_path):
    version = exported(a_model(fusion="concatenation", fusion_options={"units": (4,)}), tmp_path / "models")
    assert exported_catalogue(version).attention is None and not (version / FILE).exists()


def test_a_catalogue_of_too_many_tokens_has_none(monkeypatch):
    from tf_metammf.export import attention

    monkeypatch.setattr(attention, "MOST_TOKENS", 20)
    assert attention.catalogue_attention(a_model(fusion=QueryFusion((4,), token_units=8))) is None


@pytest.mark.long
@pytest.mark.parametrize("raw", ["v2", "v1", "unknown"])
def test_the_page_is_told_when_a_video_counts(tmp_path_factory, open_page, raw):
    version = exported(a_model(fusion=QueryFusion((4,), token_units=8)), tmp_path_factory.mktemp("page") / "models")
    found = open_page(version).get("/api/video", id=raw)["attention"]
    expected = {} if raw == "unknown" else exported_catalogue(version).attention.of(int(raw[1:]))
    assert found.keys() == expected.keys()
    for name, weights in expected.items():
        np.testing.assert_allclose(found[name]["weights"], weights.weights, rtol=1e-6)
        assert found[name]["times"] == weights.times.tolist()
