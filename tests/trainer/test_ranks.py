"""Ranks over record sets, against SciPy and published critical values."""

import json

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.comparison.ranks import (
    _ranks,
    critical_difference,
    equality_p_value,
    range_quantile,
    rank_table,
)

VALUES = {
    "first": {"a": 0.30, "b": 0.20, "c": 0.20},
    "second": {"c": 0.10, "b": 0.40, "a": 0.50, "only here": 0.9},
    "third": {"b": 0.25, "a": 0.20, "c": 0.15},
}


@pytest.fixture
def folders(tmp_path):
    for name, values in VALUES.items():
        models = {model: {"metrics": {"ndcg@20": {"mean": value}}} for model, value in values.items()}
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps({"metric": "ndcg@20", "models": models}))
    return [tmp_path / name for name in VALUES]


def test_models_are_ranked_on_every_set_and_ties_share_their_ranks(folders):
    found = rank_table(folders)
    assert (found.metric, found.sets, found.left_out) == ("ndcg@20", list(VALUES), ["only here"])
    assert found.ranks == {"a": [1, 1, 2], "b": [2.5, 2, 1], "c": [2.5, 3, 3]}
    assert list(found.mean_ranks.values()) == pytest.approx([4 / 3, 5.5 / 3, 8.5 / 3])
    assert found.values["b"] == [0.2, 0.4, 0.25]


def test_the_page_has_the_table_and_a_sentence(folders, tmp_path, capsys):
    page = tmp_path / "ranks.html"
    assert main(["ranks", *map(str, folders), "--output", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(page)
    text = page.read_text()
    assert "No model is significantly better over 3 record sets" in text and "a has the best mean rank, 1.33" in text
    assert text.count("<svg") == 1 and "0.2500" in text and "Not in every comparison: only here." in text


def test_the_test_of_equality_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    random = np.random.default_rng(0)
    values = np.round(random.normal(size=(9, 5)) + np.arange(5) / 3, 1)  # with ties
    ranks = np.stack([_ranks(row) for row in values])
    np.testing.assert_array_equal(ranks, stats.rankdata(values, axis=1))
    chi_squared = stats.friedmanchisquare(*values.T).statistic
    statistic = 8 * chi_squared / (9 * 4 - chi_squared)
    assert equality_p_value(ranks) == pytest.approx(stats.f.sf(statistic, 4, 32))
    assert range_quantile(7) == pytest.approx(stats.studentized_range.ppf(0.95, 7, np.inf), rel=1e-4)


def test_critical_differences_are_the_published_ones():
    # Demšar (2006), table 5: q / sqrt(2) at 0.05 for 2 to 10 models; 4 of them over 14 sets: 1.25.
    published = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    found = [range_quantile(models) / np.sqrt(2) for models in range(2, 11)]
    np.testing.assert_allclose(found, published, atol=1e-3)
    assert critical_difference(14, 4) == pytest.approx(1.25, abs=0.01)


def test_the_same_order_everywhere_and_no_order_at_all():
    assert equality_p_value(np.tile([1.0, 2.0, 3.0], (4, 1))) == 0
    assert equality_p_value(np.full((3, 2), 1.5)) is None


def test_the_command_prints_ranks_and_what_they_have_to_differ_by(folders, capsys):
    words = ["ranks", *map(str, folders)]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "1.33" in printed and "0.2000 (2.5)" in printed and "not in every comparison: only here" in printed
    assert f"(Nemenyi, 95 %): {found['critical_difference']:.2f}, over 3 record sets" in printed


def test_what_cannot_be_ranked_is_refused(folders, tmp_path, capsys):
    with pytest.raises(InvalidInputError, match="found 1 comparisons, expected at least two"):
        rank_table(folders[:1] * 2)
    with pytest.raises(InvalidInputError, match=r'"a" has no value of recall@20. It has: ndcg@20\.'):
        rank_table(folders, metric="recall@20")
    (folders[2] / "results.json").write_text(json.dumps({"metric": "ndcg@20", "models": {"z": {}}}))
    with pytest.raises(InvalidInputError, match="share 0 models"):
        rank_table(folders)
    assert main(["ranks", str(folders[0]), str(tmp_path / "none")]) == 2
    assert "none/results.json: cannot be read" in capsys.readouterr().err
