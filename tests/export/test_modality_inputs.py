"""Names of the inputs of new items."""

import keyword

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.modality_inputs import input_name, input_names


@pytest.mark.parametrize(
    ("modality", "name"),
    [
        ("visual", "visual"),
        ("text_v2", "text_v2"),
        ("title embedding (BERT)", "title_embedding__BERT_"),
        ("3d", "modality_3d"),
        ("_hidden", "modality__hidden"),
        ("class", "modality_class"),
        ("user_id", "modality_user_id"),
        ("图像", "modality_u56feu50cf"),
        ("visuäl", "visuue4l"),
        ("is_present", "modality_is_present"),
    ],
)
def test_an_input_has_the_name_of_its_modality_as_far_as_tensorflow_takes_it(modality, name):
    assert input_name(modality) == name


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_every_modality_has_an_input_that_python_and_tensorflow_take_for_a_name(modality):
    name = input_name(modality)
    assert name.isidentifier() and name.isascii() and name[0].isalpha() and not keyword.iskeyword(name)
    assert input_name(name) == name


@pytest.mark.parametrize("modalities", [("图像", "声音"), ("x", "x_present"), ("ä", "ö")])
def test_different_modalities_have_different_inputs(modalities):
    names = input_names(modalities).values()
    assert len({*names, *(f"{name}_present" for name in names)}) == 4


@pytest.mark.parametrize("modalities", [("a b", "a_b"), ("ä", "modality_ue4")])
def test_two_modalities_with_one_input_are_refused(modalities):
    with pytest.raises(InvalidInputError, match="would both have the input"):
        input_names(modalities)
