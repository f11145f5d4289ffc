"""The item tower before its fusion."""

import numpy as np
import tensorflow as tf

from tf_metammf.fusion.meta_fusion import MetaFusion
from tf_metammf.towers import ItemTower


def test_a_feature_that_never_varies_is_0_also_where_it_is_new():
    tower = ItemTower(3, MetaFusion(units=(4,), meta_units=2, rank=2))
    tower.adapt({"visual": (np.array([2.0, 10.0]), np.array([0.0, 25.0]))})
    standardized = tower.standardization["visual"](np.array([[2.0, 10.0], [3.0, 20.0]], np.float32))
    np.testing.assert_allclose(standardized, [[0, 0], [0, 2]], rtol=1e-6)


def test_items_without_features_are_their_id_embeddings():
    tower = ItemTower(items=3, fusion=None, id_units=2)
    found = tower({}, {}, items=tf.constant([2, 0]))
    np.testing.assert_array_equal(found, tower.id_embedding.embeddings.numpy()[[2, 0]])
    np.testing.assert_array_equal(tower({}, {}, items=tf.range(3), every_item=True), tower.id_embedding.embeddings)
