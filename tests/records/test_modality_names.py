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
        (["a\nb"], "control character"),
        (["a\u2028b"], "line separator"),
        (["a\udcff"], "not Unicode"),
        (["\u00e4", "modality_ue4"], 'both would have the input "modality_ue4"'),
        (["modality_ue4", "\u00e4"], 'both would have the input "modality_ue4"'),
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
    assert len({*inputs, *(f"{name}_present" for name in inputs)}) == 2 * len(names)


@pytest.mark.parametrize(
    "names",
    [
        ["visual", "acoustic", "2d", "a b", "class", "c++"],
        ["\u56fe\u50cf", "\u58f0\u97f3"],
        ["x", "x_present"],
        ["\u00e4", "\u00f6", "a"],
        ["\U0001f468\u200d\U0001f467", "user_id"],
    ],
)
def test_usual_and_unusual_names_are_accepted_beside_each_other(names):
    require_modality_names(names)
