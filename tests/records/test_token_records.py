"""Token sequences on disk: written, read, looked up, described, validated, removed from."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tf_metammf.errors import InvalidInputError, InvalidRecordSetError
from tf_metammf.records import (
    Interactions,
    ItemLookup,
    Metadata,
    ModalityFeatures,
    RawData,
    TokenArrays,
    describe,
    items,
    open_record_set,
    read_items,
    remove,
    validate,
    write_record_set,
)

ITEMS = 30


def drawn(*, times: bool = True) -> TokenArrays:
    """Sequences of 1 to 11 tokens for two thirds of the items."""
    random = np.random.default_rng(0)
    lengths = random.integers(1, 12, 20)
    seconds = np.concatenate([np.sort(random.uniform(0, 9, length)) for length in lengths])
    return TokenArrays(random.normal(size=(lengths.sum(), 3)).astype(np.float32), lengths, seconds if times else None)


ROW_OF_ITEM = np.array([item // 3 * 2 + item % 3 if item % 3 < 2 else -1 for item in range(ITEMS)])


def raw_data(**modalities) -> RawData:
    interactions = Interactions(np.arange(ITEMS) % 7, np.arange(ITEMS))
    vectors = np.arange(2 * ITEMS, dtype=np.float32).reshape(ITEMS, 2)
    found = {
        "textual": ModalityFeatures(vectors, np.arange(ITEMS)),
        "visual": ModalityFeatures(drawn(), ROW_OF_ITEM),
        **modalities,
    }
    ids = [f"i{item}" for item in range(ITEMS)]
    return RawData("set", [f"u{user}" for user in range(7)], ids, interactions, found)


def written(folder, data=None, **options):
    data = data or raw_data()
    return write_record_set(data, {"train": data.interactions}, folder, **options)


def of_item(item: int) -> TokenArrays:
    row = ROW_OF_ITEM[item]
    return drawn()[[row] if row >= 0 else []]


@pytest.fixture(scope="module")
def record_set(tmp_path_factory):
    return written(tmp_path_factory.mktemp("tokens") / "set", shards=2)


def test_the_metadata_have_a_new_version_and_say_what_sequences_there_are(record_set):
    content = json.loads((record_set.folder / "metadata.json").read_text())
    assert content["schema_version"] == 3
    assert content["modalities"]["visual"] == {
        "width": 3,
        "source_dtype": "float32",
        "items": 20,
        "tokens": {"most": 11, "total": int(drawn().lengths.sum()), "times": True},
    }
    assert content["modalities"]["textual"] == {"width": 2, "source_dtype": "float32", "items": 30}


def test_a_record_set_of_vectors_is_written_as_before(tmp_path):
    data = raw_data()
    data = replace(data, modalities={"textual": data.modalities["textual"]})
    folder = written(tmp_path / "set", data).folder
    metadata = (folder / "metadata.json").read_bytes()
    # What release 0.1 wrote of the same data; it has the checksums of all other files.
    assert hashlib.sha256(metadata).hexdigest() == "4b39d44a5d137e7febf07aaa4aaca799d409dac22d60c726868e78b8282c8dd3"
    assert json.loads(metadata)["schema_version"] == 2


@pytest.mark.parametrize("stored_dtype", ["float32", "float16"])
def test_what_is_read_is_what_was_written(stored_dtype, tmp_path):
    found = read_items(written(tmp_path / "set", stored_dtype=stored_dtype))
    expected = drawn().values.astype(stored_dtype).astype(np.float32)
    np.testing.assert_array_equal(found.features["visual"].values, expected)
    np.testing.assert_array_equal(found.features["visual"].times, drawn().times)
    np.testing.assert_array_equal(found.features["visual"].lengths[ROW_OF_ITEM >= 0], drawn().lengths)
    np.testing.assert_array_equal(found.presence["visual"], ROW_OF_ITEM >= 0)
    np.testing.assert_array_equal(found.features["textual"], np.arange(60).reshape(30, 2))
    assert validate(tmp_path / "set") == []


def test_sixteen_bits_take_half_the_bytes_and_refuse_what_they_cannot_hold(tmp_path):
    sizes = [
        sum(shard.bytes for shard in written(tmp_path / dtype, big_data(), stored_dtype=dtype).metadata.item_shards)
        for dtype in ("float32", "float16")
    ]
    assert sizes[1] < 0.55 * sizes[0]
    values = drawn().values.copy()
    values[0, 0] = 1e6
    data = raw_data(visual=ModalityFeatures(TokenArrays(values, drawn().lengths), ROW_OF_ITEM))
    with pytest.raises(
        InvalidInputError, match=r'item "i0" \(row 0\) has a value of 1e\+06, and float16 ends at 65504'
    ):
        written(tmp_path / "large", data, stored_dtype="float16")
    with pytest.raises(InvalidInputError, match='unknown stored_dtype "float8"'):
        written(tmp_path / "other", stored_dtype="float8")


def big_data() -> RawData:
    frames = TokenArrays(np.ones((8 * ITEMS, 64), np.float32), np.full(ITEMS, 8))
    data = raw_data(visual=ModalityFeatures(frames, np.arange(ITEMS)))
    return replace(data, modalities={"visual": data.modalities["visual"]})


@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_batches_are_padded_to_a_multiple_of_8_and_at_most_to_the_longest(shuffle_seed, record_set):
    for batch in items(record_set, batch_size=4, shuffle_seed=shuffle_seed).as_numpy_iterator():
        visual = batch["features"]["visual"]
        assert visual.lengths.dtype == np.int64
        longest = max(visual.lengths.max(), 1)
        assert visual.values.shape == (len(batch["item"]), min(-(-longest // 8) * 8, 11), 3)
        for position, item in enumerate(batch["item"]):
            length = visual.lengths[position]
            expected = of_item(item)
            assert batch["presence"]["visual"][position] == (length > 0) == (ROW_OF_ITEM[item] >= 0)
            np.testing.assert_array_equal(visual.values[position, :length], expected.values)
            np.testing.assert_array_equal(visual.times[position, :length], expected.times)
            assert not visual.values[position, length:].any()
            assert not visual.times[position, length:].any()


def test_times_that_are_not_there_are_relative(tmp_path):
    data = raw_data(visual=ModalityFeatures(drawn(times=False), ROW_OF_ITEM))
    (batch,) = items(written(tmp_path / "set", data), batch_size=ITEMS).as_numpy_iterator()
    visual = batch["features"]["visual"]
    for length, times in zip(visual.lengths, visual.times, strict=True):
        np.testing.assert_allclose(times[:length], np.arange(length) / max(length, 1), rtol=1e-6)


@pytest.mark.parametrize("form", ["tokens", "vectors"])
def test_a_lookup_gives_what_reading_all_gives(form, record_set):
    lookup = ItemLookup(record_set, form=form)
    assert lookup.tokens == {"visual": 11}
    table = read_items(record_set, form=form)
    wanted = np.array([29, 0, 2, 7])
    found = lookup.lookup(wanted)
    if form == "tokens":
        mask = found["features"]["visual"].mask.numpy()
        np.testing.assert_array_equal(
            found["features"]["visual"].values.numpy()[mask], table.features["visual"][wanted].values
        )
    else:
        expected = np.stack([of_item(item).values.sum(axis=0) / max(len(of_item(item).values), 1) for item in wanted])
        np.testing.assert_allclose(found["features"]["visual"], expected, atol=1e-6)
        np.testing.assert_allclose(table.features["visual"][wanted], expected, atol=1e-6)
    presence = [present["visual"].numpy() for _, present in lookup.blocks(7)]
    np.testing.assert_array_equal(np.concatenate(presence), ROW_OF_ITEM >= 0)


def test_tfds_reads_the_items(record_set):
    builder = tfds.builder_from_directory(str(record_set.folder / "items"))
    rows = list(builder.as_dataset(split="items", shuffle_files=False).as_numpy_iterator())
    for row in rows:
        np.testing.assert_array_equal(row["visual"], of_item(int(row["item"])).values.reshape(-1))
        np.testing.assert_array_equal(row["visual/time"], of_item(int(row["item"])).times)
    assert len(rows) == ITEMS


def test_a_description_counts_tokens_and_no_padding(record_set):
    described = describe(record_set).modalities["visual"]
    assert described.most_tokens == 11
    assert described.tokens == pytest.approx(drawn().lengths.mean())
    assert described.mean == pytest.approx(drawn().values.mean(), rel=1e-5)
    assert described.deviation == pytest.approx(drawn().values.std(), rel=1e-5)
    assert describe(record_set).modalities["textual"].tokens is None


def test_removal_keeps_the_sequences_of_the_others(record_set, tmp_path):
    left = remove(record_set, tmp_path / "left", items=["i0", "i5"]).record_set
    kept = [item for item in range(ITEMS) if item not in (0, 5)]
    np.testing.assert_array_equal(
        read_items(left).features["visual"].values, read_items(record_set).features["visual"][kept].values
    )
    assert left.metadata.modalities["visual"].tokens.most == 11
    assert validate(left.folder) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"most": 4}, 'tokens for modality "visual", metadata.json says 4 at most'),
        ({"total": 5}, 'modality "visual" has 120 tokens, metadata.json says 5'),
        ({"times": False}, "times for"),
    ],
)
def test_sequences_that_do_not_fit_the_metadata_are_found(change, problem, record_set, tmp_path):
    folder = written(tmp_path / "set").folder
    content = json.loads((folder / "metadata.json").read_text())
    content["modalities"]["visual"]["tokens"] |= change
    (folder / "metadata.json").write_text(json.dumps(content))
    findings = validate(folder)
    assert any(problem.replace("120", str(drawn().lengths.sum())) in str(finding) for finding in findings)
    if "times" not in change:
        with pytest.raises(InvalidRecordSetError, match=r"metadata\.json says"):
            read_items(open_record_set(folder))


@pytest.mark.parametrize(
    "tokens", [{"most": -1, "total": 0, "times": True}, {"most": 1, "total": 1, "times": "no"}, {"most": 1}, 7]
)
def test_metadata_of_tokens_that_make_no_sense_are_refused(tokens, tmp_path):
    folder = written(tmp_path / "set").folder
    content = json.loads((folder / "metadata.json").read_text())
    content["modalities"]["visual"]["tokens"] = tokens
    (folder / "metadata.json").write_text(json.dumps(content))
    with pytest.raises(InvalidRecordSetError, match="is incomplete or malformed"):
        Metadata.read(folder)


def test_sequences_that_make_no_sense_are_refused():
    with pytest.raises(InvalidInputError, match=r"times of sequence 1 are not finite or not in order, near 3"):
        TokenArrays.of([[[1.0]], [[1.0], [2.0]]], times=[[9.0], [3.0, 2.0]])
    with pytest.raises(InvalidInputError, match="a time for every token or none"):
        TokenArrays(np.zeros((3, 2)), np.array([1, 2]), np.zeros(2))
    with pytest.raises(InvalidInputError, match="one width"):
        TokenArrays.of([[[1.0]], [[1.0, 2.0]]])


def test_a_sequence_without_tokens_or_with_nan_is_refused_by_item(tmp_path):
    values = drawn().values.copy()
    values[-1, 1] = np.nan
    data = raw_data(visual=ModalityFeatures(TokenArrays(values, drawn().lengths), ROW_OF_ITEM))
    with pytest.raises(InvalidInputError, match=r'modality "visual": item "i28" \(row 19\) has NaN or infinite values'):
        written(tmp_path / "nan", data)
    empty = TokenArrays(np.ones((1, 2)), np.array([1, 0]))
    data = raw_data(visual=ModalityFeatures(empty, np.arange(ITEMS) % 2))
    with pytest.raises(InvalidInputError, match=r'item "i1" \(row 1\) has no tokens'):
        written(tmp_path / "empty", data)


def test_a_modality_may_not_be_called_as_an_input_of_another(tmp_path):
    data = raw_data(visual_times=raw_data().modalities["textual"])
    with pytest.raises(InvalidInputError, match='both would have the input "visual_times"'):
        written(tmp_path / "set", data)
