"""Attention to the moments of items in the answers of exports."""

import numpy as np
import pytest

from tf_metammf import MetaMMF
from tf_metammf.commands.new_video import NewVideoAnswer, print_answer
from tf_metammf.export.client import Client
from tf_metammf.export.saved_model import export_model
from tf_metammf.fusion.item_attention import item_attention
from tf_metammf.records import TokenArrays

TIMES = [[0.0, 2.0, 4.0], [0.0], [0.0, 1.0, 2.0, 3.0]]
PRESENT = np.array([True, False, True])


def model_of(fusion: str, **options) -> MetaMMF:
    random = np.random.default_rng(0)
    frames = TokenArrays.of([random.normal(size=(len(times), 3)) for times in TIMES], times=TIMES)
    return MetaMMF(
        2,
        {"visual é": frames, "textual": random.normal(size=(3, 4))},
        "in_batch_softmax",
        presence={"textual": PRESENT},
        item_frequency=np.ones(3),
        fusion=fusion,
        fusion_options={"units": (4,), "token_units": 8, **options},
    )


def client_of(model: MetaMMF, folder) -> Client:
    ids = {"user_ids": ["u0", "u1"], "item_ids": ["v0", "v1", "v2"]}
    seen = np.array([0, 1, 1]), np.array([0, 1, 2])
    return Client(export_model(model, folder / "model", seen=seen, **ids))


def test_items_of_the_catalogue_and_new_ones_have_the_attention_of_the_model(tmp_path):
    model = model_of("queries", heads=2, queries=2)
    client = client_of(model, tmp_path)
    found = client.explain_items(["v2", "nothing", "v0", "v1"])
    expected = item_attention(model, *model.item_features.lookup([0, 1, 2]))
    assert [one.known for one in found] == [True, False, True, True]
    assert found[1].attention == {}
    for one, item in zip((found[0], found[2], found[3]), (2, 0, 1), strict=True):
        assert set(one.attention) == set(expected[item])
        for name, moments in one.attention.items():
            np.testing.assert_allclose(np.array(moments).T, expected[item][name], atol=1e-6)
    longer = TokenArrays.of([np.random.default_rng(1).normal(size=(16, 3))], times=[np.arange(16.0)])  # four times
    (new,) = client.explain_new_items({"visual é": longer})
    moments = np.array(new.attention["visual é"])
    np.testing.assert_array_equal(moments[:, 0], np.arange(16))
    assert set(new.attention) == {"visual é"} and moments[:, 1].sum() == pytest.approx(1)


@pytest.mark.long
def test_a_pyramid_is_exported_and_has_none(tmp_path):
    client = client_of(model_of("pyramid"), tmp_path)
    (found,) = client.explain_items(["v0"])
    assert found.attention == {} and sum(found.shares.values()) == pytest.approx(1)


def test_the_command_prints_the_moments_with_most_weight(capsys):
    attention = {"visual": [(0.0, 0.2), (2.5, 0.7)], "acoustic": [(1.0, 0.1)]}
    print_answer(NewVideoAnswer("clip.mp4", [], shares={"visual": 1.0}, attention=attention))
    shown = capsys.readouterr().out
    assert "most attention: visual at 2.5 s (70%), visual at 0.0 s (20%), acoustic at 1.0 s (10%)" in shown
