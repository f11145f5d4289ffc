"""Rules of preferences: what they say, and where a wrong one is wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.preference_rule import Comparison, is_rule, preference_rule


def test_a_rule_says_which_rows_are_chosen_over_which():
    rule = preference_rule('completion >= .8 and "watch time" > 1e1 OVER completion < 0.2, same user, 1.5 hours')
    assert rule.chosen == (Comparison("completion", ">=", 0.8), Comparison("watch time", ">", 10.0))
    assert rule.rejected == (Comparison("completion", "<", 0.2),)
    assert rule.seconds == 5400
    assert rule.columns == ("completion", "watch time")


@pytest.mark.parametrize(
    ("operator", "expected"),
    [(">=", [0, 1, 1]), ("<=", [1, 1, 0]), (">", [0, 0, 1]), ("<", [1, 0, 0]), ("==", [0, 1, 0]), ("!=", [1, 0, 1])],
)
def test_operators_compare_numbers_and_no_number_is_neither(operator, expected):
    rule = preference_rule(f"a {operator} 2 over a == 99")
    chosen, rejected = rule.sides({"a": np.array([1.0, 2.0, 3.0, np.nan])}, 4)
    assert chosen.tolist() == [bool(each) for each in [*expected, 0]]
    assert not rejected.any()


def test_a_row_is_undecided_where_a_missing_number_could_put_it_on_a_side():
    rule = preference_rule("a >= 2 and b > 0 over a < 1")
    nothing = np.nan
    rows = [(3, 1), (3, nothing), (3, 0), (nothing, 1), (nothing, 0), (1.5, nothing), (0, nothing)]
    a, b = np.array(rows, float).T
    #          chosen  b unknown  neither  either  rejected or neither  neither  rejected
    expected = [False, True, False, True, True, False, False]
    assert rule.undecided({"a": a, "b": b}, len(rows)).tolist() == expected


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("a >= over b < 1", 6, "a number"),
        ("a >= 1", 7, '"and" or "over"'),
        ("a >= 1 over b", 14, "one of >= <= > < == !="),
        ("a => 1 over b < 1", 3, "is no part of a rule"),
        (">= 1 over b < 1", 1, "the name of a column"),
        ("a >= 1 over b < 1, same item", 25, '"user"'),
        ("a >= 1 over b < 1, 24 parsecs", 23, "seconds, minutes, hours or days"),
        ("a >= 1 over b < 1, 1 day, 2 days", 27, '"same user"'),
        ("a >= 1 over b < 1 1", 19, '"and", a comma, or the end'),
        ("a >= 1 over b < 1, -1 day", 20, "a time of at least 0"),
        ("a >= __import__('os') over b < 1", 16, "is no part of a rule"),
        ("a >= 1 over b < 1; c", 18, "is no part of a rule"),
    ],
)
def test_a_wrong_rule_is_refused_at_its_place(text, place, expected):
    with pytest.raises(InvalidInputError) as error:
        preference_rule(text)
    assert f"at character {place}, " in str(error.value)
    assert expected in str(error.value)


@given(st.text(max_size=60))
def test_no_text_is_anything_but_a_rule_or_refused(text):
    try:
        rule = preference_rule(f"a > 1 over {text}")
    except InvalidInputError as error:
        assert str(error).startswith("preferences is ")
    else:
        assert rule.chosen == (Comparison("a", ">", 1.0),)
        assert rule.rejected
        assert rule.seconds is None or rule.seconds >= 0


def test_a_rule_is_told_from_a_file():
    assert is_rule("a > 1 over b < 1")
    assert is_rule("a > 1 OVER b < 1")  # which the parser takes as well
    assert not is_rule("pairs.csv")
    assert not is_rule("hangover.parquet")
