"""What conversion accepts as names of modalities works in records and requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.modality_inputs import input_names
from tf_metammf.records.modality_names import require_modality_names


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([""], "it is empty"),
        (["item"], "the records use this name"),
        (["a/b"], "it has a slash"),
        (["a\\b"], "it has a slash"),
        (["a\nb"], "control characters"),
        (["a\udcff"], "control characters"),
        ([" a"], "white space around it"),
        (["x", "x_present"], 'both would have the input "x_present"'),
        (["x_present", "x"], 'both would have the input "x_present"'),
        (["a b", "a_b"], 'both would have the input "a_b"'),
        (["\u00e4", "a\u0308"], "differ in their Unicode normalisation alone"),
    ],
)
def test_names_that_cannot_work_are_refused_with_the_reason(names, reason):
    with pytest.raises(InvalidInputError, match="Rename") as raised:
        require_modality_names(names)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
    str(raised.value).encode()


@given(st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=4))
def test_names_that_are_accepted_have_inputs_of_their_own(names):
    try:
        require_modality_names(names)
    except InvalidInputError:
        return
    inputs = input_names(names).values()
    assert len(set(inputs)) == len(names)


def test_usual_and_unusual_names_are_accepted():
    require_modality_names(["visual", "acoustic", "2d", "a b", "\u56fe\u50cf", "class", "c++", "x_present"])
