"""Token sequences out of files: lists of lists in Parquet, arrays in .npz, extracted features."""

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records import TokenArrays, convert, open_record_set, read_items
from tf_metammf.records.sources.tabular import Options, read
from tf_metammf.records.thinned_tokens import thinned

TOKENS = {"a": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "b": [[7.0, 8.0]], "d": [[9.0, 10.0], [11.0, 12.0]]}
TIMES = {"a": [0.0, 0.5, 1.5], "b": [0.25], "d": [0.0, 2.0]}


def folder_of(path):
    rows = "".join(f"u{user},{item},{user}\n" for user in range(4) for item in "abcd")
    (path / "ratings.csv").write_text("userId,itemId,timestamp\n" + rows)
    return path


def write_parquet(path, **columns):
    pyarrow.parquet.write_table(pyarrow.table({"item_id": [*TOKENS, "c"], **columns}), path / "visual_features.parquet")


def lists():
    return {"tokens": [*TOKENS.values(), None], "times": [*TIMES.values(), None]}


def write_archive(path, **changes):
    arrays = {
        "item_id": np.array(["a", "c", "b", "d"]),
        "values": np.concatenate([np.array(TOKENS[item], np.float32) for item in "abd"]),
        "lengths": np.array([3, 0, 1, 2]),
        "times": np.concatenate([TIMES[item] for item in "abd"]),
    }
    np.savez(
        path / "visual_features.npz", **{name: each for name, each in (arrays | changes).items() if each is not None}
    )


def found(data):
    modality = data.modalities["visual"]
    return {
        raw: modality.features[[row]] for raw, row in zip(data.item_ids, modality.row_of_item, strict=True) if row >= 0
    }


@pytest.mark.parametrize("kind", ["parquet", "large lists", "npz"])
@pytest.mark.parametrize("timed", [True, False])
def test_sequences_of_files_are_those_of_their_items(kind, timed, tmp_path):
    folder_of(tmp_path)
    if kind == "npz":
        write_archive(tmp_path, **({} if timed else {"times": None}))
    else:
        inner = pyarrow.large_list(pyarrow.float64()) if kind == "large lists" else pyarrow.list_(pyarrow.float32())
        outer = pyarrow.large_list(inner) if kind == "large lists" else pyarrow.list_(inner)
        columns = {"frames": pyarrow.array(lists()["tokens"], outer)} | ({"times": lists()["times"]} if timed else {})
        write_parquet(tmp_path, **columns)
    sequences = found(read(tmp_path, Options()))
    assert sorted(sequences) == ["a", "b", "d"]
    for item, tokens in sequences.items():
        np.testing.assert_array_equal(tokens.values, TOKENS[item])
        assert tokens.has_times == timed
        if timed:
            np.testing.assert_array_equal(tokens.times, np.float32(TIMES[item]))


def test_tokens_are_put_in_the_order_of_their_times(tmp_path):
    write_parquet(folder_of(tmp_path), tokens=[*TOKENS.values(), []], times=[[2.0, 0.0, 1.0], [5.0], [1.0, 1.0], []])
    sequences = found(read(tmp_path, Options()))
    np.testing.assert_array_equal(sequences["a"].values, [TOKENS["a"][place] for place in (1, 2, 0)])
    np.testing.assert_array_equal(sequences["a"].times, [0, 1, 2])
    np.testing.assert_array_equal(sequences["d"].values, TOKENS["d"])


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"tokens": [[[1.0, 2.0]], [[1.0]], [], []]}, 'has a token of 1 values for item "b", others have 2'),
        ({"tokens": lists()["tokens"], "times": [[0.0], [0.0], [0.0], []]}, '1 times for the 3 tokens of item "a"'),
        ({"tokens": lists()["tokens"], "times": [1.0, 2.0, 3.0, 4.0]}, 'column "times" holds double, expected lists'),
        ({"tokens": [[["x"]], [["y"]], [["z"]], []]}, "does not hold numbers"),
        (
            {"tokens": lists()["tokens"], "times": [[0.0, np.nan, 1.0], [0.0], [0.0, 1.0], []]},
            'times that are not finite for item "a"',
        ),
    ],
)
def test_lists_that_make_no_sense_are_refused(columns, problem, tmp_path):
    write_parquet(folder_of(tmp_path), **columns)
    with pytest.raises(InvalidInputError) as raised:
        read(tmp_path, Options())
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"lengths": np.array([3, 0, 1, 1])},
        {"lengths": np.array([4, -1, 1, 2])},
        {"lengths": np.array([3.0, 0, 1, 2])},
        {"times": np.zeros(5)},
        {"times": np.full(6, np.inf)},
        {"values": np.zeros((6, 2, 2))},
        {"more": np.zeros((6, 2))},
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(changes, tmp_path):
    write_archive(folder_of(tmp_path), **changes)
    with pytest.raises(InvalidInputError, match=r"visual_features\.npz: has .* expected"):
        read(tmp_path, Options())


def test_a_conversion_thins_and_stores_16_bits_and_says_so(tmp_path):
    write_parquet(folder_of(tmp_path), **lists())
    record_set = convert("tabular", tmp_path, tmp_path / "set", most_tokens=2, stored_dtype="float16")
    entry = record_set.metadata.modalities["visual"]
    assert (entry.tokens.most, entry.tokens.total, entry.stored_dtype) == (2, 5, "float16")
    assert record_set.metadata.source["most_tokens"] == 2
    assert "tokens" not in record_set.metadata.source["options"]
    np.testing.assert_array_equal(read_items(record_set).features["visual"][[0]].values, [[1, 2], [5, 6]])


def test_extracted_features_give_vectors_or_on_demand_their_sequences(tmp_path):
    vectors = [np.mean(each, axis=0).tolist() for each in TOKENS.values()]
    write_parquet(folder_of(tmp_path), vector=[*vectors, None], **lists())
    assert read(tmp_path, Options()).sequences == []
    sequences = read(tmp_path, Options(tokens=True))
    assert sequences.sequences == ["visual"]
    np.testing.assert_array_equal(found(sequences)["d"].values, TOKENS["d"])
    options = ["--source", "tabular", "--input", str(tmp_path), "--output", str(tmp_path / "set")]
    assert main(["records", "convert", *options, "--tabular.tokens", "true", "--most_tokens", "8"]) == 0
    content = json.loads((tmp_path / "set" / "metadata.json").read_text())
    assert content["modalities"]["visual"]["tokens"] == {"most": 3, "total": 6, "times": True}
    assert content["source"]["options"]["tokens"] is True
    assert open_record_set(tmp_path / "set").metadata.sequences == {"visual": 3}


@settings(deadline=None, max_examples=60)
@example(steps=[0, 0, 0], most=2, timed=True)
@example(steps=[0, 1, 1, 0, 0], most=3, timed=True)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 12), st.booleans())
def test_thinning_keeps_ends_and_order_and_as_many_tokens_as_it_may(steps, most, timed):
    times = np.cumsum(steps).astype(np.float32)
    tokens = TokenArrays(np.arange(len(steps))[:, np.newaxis], np.array([len(steps)]), times if timed else None)
    kept = thinned(tokens, most).values[:, 0]
    assert len(kept) == min(most, len(steps))
    assert (np.diff(kept) > 0).all()
    if most > 1:
        assert (kept[0], kept[-1]) == (0, len(steps) - 1)


def test_thinning_is_even_in_time_and_not_in_number():
    times = np.array([0.0, 0.1, 0.2, 0.3, 5.0, 10.0])
    tokens = TokenArrays(np.arange(6)[:, np.newaxis], np.array([6]), times)
    np.testing.assert_array_equal(thinned(tokens, 3).times, np.float32([0.0, 5.0, 10.0]))
    np.testing.assert_array_equal(thinned(TokenArrays(tokens.values, tokens.lengths), 3).values[:, 0], [0, 2, 5])
    at_once = TokenArrays(tokens.values, tokens.lengths, np.full(6, 7.0))
    np.testing.assert_array_equal(thinned(at_once, 3).values[:, 0], [0, 2, 5])
