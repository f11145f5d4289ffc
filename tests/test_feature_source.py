"""Statistics of features in one pass over blocks are those of all rows at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_source import feature_statistics
from tf_metammf.features.feature_table import FeatureTable


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), items=st.integers(1, 40), block_size=st.integers(1, 50), offset=st.floats(0, 1e4))
def test_statistics_are_those_of_the_present_rows_of_the_items_that_count(seed, items, block_size, offset):
    random = np.random.default_rng(seed)
    features = {
        name: random.normal(offset, 2, (items, width)).astype(np.float32) for name, width in (("a", 3), ("b", 1))
    }
    presence, counted = {"b": random.random(items) < 0.7}, random.random(items) < 0.7
    found = feature_statistics(FeatureTable(features, presence), counted, block_size=block_size)
    for name, values in features.items():
        rows = values[counted & presence.get(name, True)].astype(np.float64)
        mean, variance = found[name]
        assert mean.dtype == variance.dtype == np.float64
        np.testing.assert_allclose(mean, rows.mean(0) if len(rows) else 0, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(variance, rows.var(0) if len(rows) else 1, rtol=1e-10, atol=1e-14 * (1 + offset**2))


def test_a_present_feature_that_is_not_finite_is_named_and_an_absent_one_is_nothing():
    class Source:
        items, widths = 5, {"visual": 2}

        def blocks(self, size):
            features = np.ones((5, 2), np.float32)
            features[[1, 3], 1] = np.nan
            table = FeatureTable({"visual": np.ones((5, 2), np.float32)}, {"visual": np.arange(5) != 1})
            for block, (_, presence) in enumerate(table.blocks(size)):
                rows = features[block * size : (block + 1) * size]
                yield FeatureTable({"visual": rows}, {"visual": np.zeros(len(rows), bool)})._features, presence

    with pytest.raises(InvalidInputError, match='modality "visual": item 3 has NaN or infinite features'):
        feature_statistics(Source(), np.zeros(5, bool), block_size=2)


@pytest.mark.parametrize("block_size", [64, 1000])
@pytest.mark.parametrize(("value", "told"), [(1e20, True), (300.0, True), (10.0, False)])
def test_one_item_that_makes_all_others_alike_is_named(block_size, value, told, caplog):
    features = np.random.default_rng(0).normal(5, 1, (200, 3)).astype(np.float32)
    features[70, 1] = value
    table = FeatureTable({"visual": features})
    feature_statistics(table, np.ones(200, bool), block_size=block_size)
    assert ('modality "visual": nearly all of the variance is that of item 70' in caplog.text) == told


def test_rare_values_and_offsets_are_no_outliers(caplog):
    """Every item has a value of its own, and another is far from 0."""
    features = np.eye(100, dtype=np.float32)
    features[:, 0] += 1e4
    feature_statistics(FeatureTable({"one_hot": features}), np.ones(100, bool), block_size=64)
    assert not caplog.text
