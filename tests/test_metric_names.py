import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.metric_names import METRICS, PARTS, MetricName


def test_a_key_names_metric_cutoff_and_part() -> None:
    assert MetricName.parse("recall@20") == MetricName("recall", 20, "all")
    assert MetricName.parse("cold/ndcg@10") == MetricName("ndcg", 10, "cold")
    assert str(MetricName("hit_rate", 5)) == "hit_rate@5"
    assert str(MetricName("map", 50, "cold_only")) == "cold_only/map@50"


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(METRICS), st.integers(1, 999_999_999), st.sampled_from(PARTS))
def test_every_name_is_read_back_from_its_key(metric: str, k: int, part: str) -> None:
    name = MetricName(metric, k, part)
    assert MetricName.parse(str(name)) == name


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(max_size=20), st.from_regex(r"(cold/)?(recall|ndcg)@?[-0-9a-z.]{0,4}", fullmatch=True)))
def test_any_text_is_read_or_refused_with_one_line(text: str) -> None:
    try:
        name = MetricName.parse(text)
    except InvalidInputError as error:
        assert "metric" in str(error)
    else:
        assert (name.metric in METRICS, name.k >= 1, name.part in PARTS) == (True, True, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ndgc@20", 'unknown metric "ndgc"; did you mean "ndcg"?'),
        ("colt/ndcg@20", 'unknown part of a metric "colt"; did you mean "cold"?'),
        ("ndcg", 'metric "ndcg" has no cut-off. Write how many items count, as in "ndcg@20".'),
        ("ndcg@", 'metric "ndcg@" has the cut-off "", expected a whole number'),
        ("ndcg@0", 'has the cut-off "0"'),
        ("ndcg@-5", 'has the cut-off "-5"'),
        ("ndcg@2.5", 'has the cut-off "2.5"'),
        ("ndcg@٢", 'has the cut-off "٢"'),
    ],
)
def test_a_wrong_key_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        MetricName.parse(text)
    assert message in str(refusal.value)


def test_names_are_read_without_tensorflow() -> None:
    program = "import sys, tf_metammf.ranking.metric_names; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
