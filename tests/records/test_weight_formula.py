"""Formulas of weights: what they say against NumPy, and what they may not say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.weight_formula import weight_formula

VALUES = {
    "seconds": np.array([3.0, 12.0, 0.0]),
    "duration": np.array([6.0, 10.0, 20.0]),
    "watch time": np.array([1.0, 2.0, 3.0]),
}
NAMES = {name: name for name in VALUES}


def weights(text: str) -> np.ndarray:
    return weight_formula(text, NAMES).weights(VALUES, 3)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seconds", [3, 12, 0]),
        ("watch time", [1, 2, 3]),
        ('"watch time" / duration', [1 / 6, 2 / 10, 3 / 20]),
        ("min(seconds / duration, 1)", [0.5, 1, 0]),
        ("max(seconds, duration, 11)", [11, 12, 20]),
        ("1 + 2 * seconds - -1", [8, 26, 2]),
        ("(1 + 2) * +seconds", [9, 36, 0]),
        ("log1p(seconds)", np.log1p([3, 12, 0])),
        ("log(duration) + sqrt(seconds)", np.log([6, 10, 20]) + np.sqrt([3, 12, 0])),
        ("2.5", [2.5, 2.5, 2.5]),
    ],
)
def test_formulas_are_those_of_arithmetic(text, expected):
    np.testing.assert_allclose(weights(text), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a formula"),
        ("seconds +", "is not a formula"),
        ("secs / duration", 'there is no column "secs"; the columns are seconds, duration, watch time'),
        ('"time" * 2', 'there is no column "time"'),
        ("min(seconds)", "gives min 1 numbers, expected two or more"),
        ("log(seconds, 2)", "gives log 2 numbers, expected one"),
        ("1e999 * seconds", "a number that is not finite"),
        ("9" * 400, "a number that is not finite"),
        ("seconds " + "+ 1" * 400, "has 1,208 characters"),
        ("seconds" + " + 1" * 200, "is nested more than 50 times"),
        ("-" * 900 + "seconds", "is nested|is not a formula"),
        ("(" * 400 + "seconds" + ")" * 400, "is not a formula"),
        ("a\x00b", "is not a formula"),
        *(
            (text, "which is not allowed")
            for text in (
                "seconds > 1",
                "seconds ** 2",
                "seconds // 2",
                "seconds % 2",
                "seconds if seconds else 1",
                "seconds and duration",
                "not seconds",
                "~seconds",
                "[seconds]",
                "(seconds, 1)",
                "{1: seconds}",
                "seconds[0]",
                "seconds.real",
                "True",
                "None",
                "1j",
                "b'seconds'",
                "f'{seconds}'",
                "...",
                "lambda: 1",
                "[x for x in seconds]",
                "(x := 1)",
                "abs(seconds)",
                "eval('1')",
                "__import__('os').system('true')",
                "min(*seconds, 1)",
                "min(seconds, 1, key=1)",
                "(min)(1)(2)",
                "().__class__",
            )
        ),
    ],
)
def test_everything_else_is_refused_and_never_run(text, message):
    with pytest.raises(InvalidInputError, match=message) as raised:
        weight_formula(text, NAMES)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "what", "rows"),
    [
        ("min(duration / seconds, 1)", "division by zero", [2]),
        ("max(log(seconds), 0)", "logarithm of 0 or less", [2]),
        ("log1p(seconds - 1)", "logarithm of 0 or less", [2]),
        ("sqrt(seconds - 5)", "root of a negative number", [0, 2]),
        ("1 / 0", "division by zero", [0, 1, 2]),
    ],
)
def test_what_is_undefined_is_told_even_where_the_whole_is_a_number(text, what, rows):
    _, faults = weight_formula(text, NAMES).weights(VALUES, 3)
    assert [(fault, np.flatnonzero(where).tolist()) for fault, where in faults] == [(what, rows)]


@given(st.text(max_size=60) | st.text("seconds()+-*/,.1 minlog\"'", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_formula_or_an_error_of_one_kind(text):
    try:
        found = weight_formula(text, NAMES)
    except InvalidInputError:
        return
    values, _ = found.weights(VALUES, 3)
    assert values.shape == (3,)
