import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.sources.recbole import Options, read

INTER = (
    'user_id:token\titem_id:token\trating:float\ttimestamp:float\nu"1\tb\t4\t881250949.0\nu2\ta\t3\t5\nu2\tc\t1\t6\n'
)
ITEM = (
    "item_id:token\ttitle:token_seq\tclass:token_seq\tyear:float\tframes:float_seq\tsound:float_seq\n"
    "b\tToy Story\tComedy Action\t1995\t0.5 1.5\t1\n"
    "z\tHeat\t\t1995\t2.5 3.5\t\n"
    "a\t\tDrama\t\t\t3\n"
)


def folder_of(path, *, inter=INTER, item=ITEM):
    (path / "clips.inter").write_text(inter, encoding="utf-8")
    if item is not None:
        (path / "clips.item").write_text(item, encoding="utf-8")
    return path


def features_of(data, modality):
    features = data.modalities[modality]
    return {
        raw: features.features[row].tolist()
        for raw, row in zip(data.item_ids, features.row_of_item, strict=True)
        if row >= 0
    }


def refusal(path, options=None):
    with pytest.raises(InvalidInputError) as raised:
        read(path, options or Options())
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_atomic_files_become_interactions_and_features(tmp_path):
    data = read(folder_of(tmp_path), Options())
    assert data.name == "clips"
    assert data.user_ids == ['u"1', "u2"]  # atomic files do not quote
    assert data.item_ids == ["a", "b", "c", "z"]
    np.testing.assert_array_equal(data.interactions.user, [0, 1, 1])
    np.testing.assert_array_equal(data.interactions.item, [1, 0, 2])
    np.testing.assert_array_equal(data.interactions.timestamp, [881_250_949, 5, 6])
    np.testing.assert_array_equal(data.interactions.rating, [4, 3, 1])
    assert data.splits is None
    assert sorted(data.modalities) == ["frames", "sound"]
    assert features_of(data, "frames") == {"b": [0.5, 1.5], "z": [2.5, 3.5]}
    assert features_of(data, "sound") == {"b": [1], "a": [3]}


def test_a_token_seq_that_is_named_becomes_multi_hot(tmp_path):
    data = read(folder_of(tmp_path), Options(modalities=("class", "sound")))
    assert data.provenance["tokens"] == {"class": ["Action", "Comedy", "Drama"]}
    assert features_of(data, "class") == {"b": [1, 1, 0], "a": [0, 0, 1]}
    assert sorted(data.modalities) == ["class", "sound"]


def test_fields_can_be_named_and_optional_ones_be_absent(tmp_path):
    folder_of(tmp_path, inter="who:token\tclip:token\n1\t2\n", item="clip:token\tframes:float_seq\n2\t1 2\n")
    data = read(tmp_path, Options(user_column="who", item_column="clip"))
    assert (data.user_ids, data.item_ids) == (["1"], ["2"])
    assert data.interactions.timestamp is None
    assert data.interactions.rating is None


@pytest.mark.parametrize(
    ("inter", "message"),
    [
        ("", "clips.inter: is empty"),
        ("user_id:token\titem_id:token\n", "has columns and no rows"),
        ("user_id\titem_id\n1\t2\n", 'has "user_id" in its header, expected field:type'),
        ("user_id:string\titem_id:token\n1\t2\n", 'has "user_id:string" in its header'),
        ("uid:token\titem_id:token\n1\t2\n", "has the columns uid, item_id; expected user_id, item_id"),
        ("user_id:token\titem_id:token\n1\t2\n1\n", "line 3: has 1 values, expected 2"),
        ("user_id:token\titem_id:token\n1\t\n", 'line 2: column "item_id:token" has no id'),
        ("user_id:token\titem_id:token\trating:float\n1\t2\tx\n", 'has "x", expected a number'),
    ],
)
def test_interactions_that_are_not_acceptable_are_refused(inter, message, tmp_path):
    assert message in refusal(folder_of(tmp_path, inter=inter))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (None, "clips.item: file not found. It is not among clips.inter"),
        ("", "clips.item: is empty"),
        ("item_id:token\ttitle:token_seq\nb\tx\n", "has no field of the type float_seq; its fields are item_id, title"),
        ("id:token\tframes:float_seq\nb\t1\n", "has the columns id, frames; expected item_id"),
        ("item_id:token\tframes:float_seq\nb\t1 2\na\t1\n", 'for item "a", others have 2'),
        ("item_id:token\tframes:float_seq\nb\t1 x\n", "Failed to parse string: 'x'"),
        ("item_id:token\tframes:float_seq\nb\t1\nb\t2\n", 'has item "b" 2 times'),
        ("item_id:token\tframes:float_seq\nb\t\n", "no item has a value in frames:float_seq"),
    ],
)
def test_items_that_are_not_acceptable_are_refused(item, message, tmp_path):
    assert message in refusal(folder_of(tmp_path, item=item))


def test_an_unknown_modality_is_answered_with_the_nearest(tmp_path):
    assert 'did you mean "frames"?' in refusal(folder_of(tmp_path), Options(modalities=("frame",)))
