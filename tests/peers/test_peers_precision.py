"""Peers with 16 bits: the towers in front of them have them, the peers themselves keep 32."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import BPR
from tf_metammf.objectives.objectives import NoObjective

OPTIONS = {"bm3": {"target_dropout": 0.0}, "invrl": {"noise": 0.0}, "freedom": {"pruning": 0.0}}


@pytest.mark.parametrize(
    "encoder", ["vbpr", "mmgcn", "lattice", "freedom", "bm3", "invrl", "mgcn", "lgmrec", "smore", "mmhcl", "diffmm"]
)
def test_the_loss_is_that_of_float32(make_case, encoder):
    objective = NoObjective if encoder == "bm3" else BPR
    options = {"fusion": "metammf", "fusion_options": {"units": (5,), "rank": 2}, **OPTIONS.get(encoder, {})}
    whole, half = (
        make_case(encoder, objective(), dtype=dtype, **options).model for dtype in ("float32", "mixed_bfloat16")
    )
    half.set_weights(whole.get_weights())
    batch = make_case("mf").batch
    expected = whole.compute_loss(batch, training=True)
    with tf.GradientTape() as tape:
        found = half.compute_loss(batch, training=True)
    np.testing.assert_allclose(found, expected, rtol=0.05)
    for gradient in tape.gradient(found, half.trainable_variables):
        assert gradient is not None and np.isfinite(tf.convert_to_tensor(gradient)).all()
