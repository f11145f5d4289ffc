"""Which moments of an item had weight, of a whole model, and the plot of it."""

import numpy as np
import pytest
import tensorflow as tf
from token_fusions import SMALL

from tf_metammf import MetaMMF
from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.item_attention import TokenWeights, item_attention
from tf_metammf.records import TokenArrays
from tf_metammf.trainer.watching.attention_plot import draw_attention

TIMES = [[0.0, 2.0, 4.0], [0.0], [0.0, 1.0, 2.0, 3.0]]


def model_of(fusion) -> MetaMMF:
    random = np.random.default_rng(0)
    frames = TokenArrays.of([random.normal(size=(len(times), 3)) for times in TIMES], times=TIMES)
    title = random.normal(size=(3, 4))
    return MetaMMF(
        2,
        {"visual": frames, "textual": title},
        "in_batch_softmax",
        presence={"textual": np.array([True, False, True])},
        item_frequency=np.ones(3),
        fusion=fusion,
        fusion_options={"units": (4,), **SMALL.get(fusion, {})},
    )


@pytest.mark.parametrize("fusion", ["queries", "metammf_tokens"])
def test_every_token_of_an_item_has_its_time_and_weight(fusion):
    model = model_of(fusion)
    found = item_attention(model, *model.item_features.lookup(tf.range(3)))
    assert [sorted(one) for one in found] == [["textual", "visual"], ["visual"], ["textual", "visual"]]
    for one, times in zip(found, TIMES, strict=True):
        np.testing.assert_array_equal(one["visual"].times, times)
        assert sum(float(weights.weights.sum()) for weights in one.values()) == pytest.approx(1)


def test_a_fusion_of_vectors_attends_to_no_tokens():
    model = model_of("sum")
    with pytest.raises(InvalidInputError, match=r"the fusion is SumFusion, which attends to no tokens\. Use queries"):
        item_attention(model, *model.item_features.lookup(tf.range(3)))


def test_the_plot_has_time_across_and_a_row_for_every_modality(tmp_path):
    attention = {
        "acoustic": TokenWeights(np.array([0.0, 0.5, 1.0], np.float32), np.array([0.1, 0.2, 0.3], np.float32)),
        "textual": TokenWeights(np.zeros(1, np.float32), np.array([0.4], np.float32)),
    }
    draw_attention(attention, tmp_path / "attention.svg", title="v1")
    picture = (tmp_path / "attention.svg").read_text()
    for word in ("acoustic", "textual", "seconds", "attention", "v1"):
        assert f"<!-- {word} -->" in picture
    with pytest.raises(InvalidInputError, match="the item has no modality"):
        draw_attention({}, tmp_path / "nothing.png")
