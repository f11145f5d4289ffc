"""The source ``tfds``; its name has a suffix because ``test_tfds`` is of the record set's own metadata."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources.tfds import Options, read
from tf_metammf.records.splits.splitting import Splitting

WATCHED = [
    {"viewer": 7, "clip": "b", "stars": 4.0, "when": 30, "mood": ["sad"], "kind": "long", "frame": [1.0, 2.0]},
    {"viewer": 5, "clip": "a", "stars": 5.0, "when": 20, "mood": [], "kind": "short", "frame": [3.0, 4.0]},
    {"viewer": 5, "clip": "b", "stars": 1.0, "when": 10, "mood": ["gay"], "kind": "short", "frame": [9.0, 9.0]},
    {"viewer": 7, "clip": "c", "stars": 2.0, "when": 5, "mood": ["gay", "sad"], "kind": "long", "frame": [5.0, 6.0]},
]
CLIPS = Options(
    dataset="clips",
    user_column="viewer",
    item_column="clip",
    rating_column="stars",
    timestamp_column="when",
    features={"mood": "mood", "kind": "kind", "visual": "frame"},
)


FEATURES = tfds.features.FeaturesDict(
    {
        "viewer": tf.int64,
        "clip": tfds.features.Text(),
        "stars": tf.float32,
        "when": tf.int64,
        "mood": tfds.features.Sequence(tfds.features.ClassLabel(names=["gay", "sad"])),
        "kind": tfds.features.ClassLabel(names=["short", "long"]),
        "frame": tfds.features.Tensor(shape=(2,), dtype=tf.float32),
    }
)


@pytest.fixture
def prepared(tmp_path):
    """A folder of sets, one of which is "clips", as TFDS prepares it."""
    return prepare(tmp_path, FEATURES, WATCHED)


def prepare(tmp_path, features, rows):
    folder = tmp_path / "clips" / "1.0.0"
    folder.mkdir(parents=True)
    shard = folder / "clips-train.tfrecord-00000-of-00001"
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for row in rows:
            writer.write(features.serialize_example(features.encode_example(row)))
    template = tfds.core.ShardedFileTemplate(data_dir=folder, dataset_name="clips", filetype_suffix="tfrecord")
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features,
        split_infos=[
            tfds.core.SplitInfo(
                name="train",
                shard_lengths=[len(rows)],
                num_bytes=shard.stat().st_size,
                filename_template=template.replace(split="train"),
            )
        ],
        version="1.0.0",
        check_data=False,
    )
    return tmp_path


def refusal(path, options):
    with pytest.raises(InvalidInputError) as raised:
        read(path, options)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_prepared_set_becomes_interactions_and_features_of_the_first_example(prepared):
    data = read(prepared, CLIPS)
    interactions = data.interactions
    assert [data.user_ids[user] for user in interactions.user] == ["7", "5", "5", "7"]
    assert [data.item_ids[item] for item in interactions.item] == ["b", "a", "b", "c"]
    assert interactions.timestamp.tolist() == [30, 20, 10, 5]
    assert interactions.rating.tolist() == [4, 5, 1, 2]
    assert {name: modality.features[modality.row_of_item].tolist() for name, modality in data.modalities.items()} == {
        "visual": [[3, 4], [1, 2], [5, 6]],
        "mood": [[0, 0], [0, 1], [1, 1]],
        "kind": [[1, 0], [0, 1], [0, 1]],
    }
    assert data.provenance == {
        "dataset": "clips/1.0.0",
        "split": "train",
        "tokens": {"mood": ["gay", "sad"], "kind": ["short", "long"]},
    }


@pytest.mark.parametrize("shape", [(), (2,)])
def test_features_of_every_type_of_numbers_are_read(shape, tmp_path):
    names = ["uint8", "int8", "uint16", "int32", "uint64", "int64", "bool", "float16", "float32", "float64"]
    features = tfds.features.FeaturesDict(
        {"user": tf.uint8, "item": tf.uint16, "mood": tfds.features.Sequence(tfds.features.ClassLabel(num_classes=3))}
        | {name: tfds.features.Tensor(shape=shape, dtype=tf.as_dtype(name)) for name in names}
    )
    rows = [
        {"user": 200, "item": item, "mood": [0] * item}
        | {name: np.full(shape, item, tf.as_dtype(name).as_numpy_dtype) for name in names}
        for item in (0, 1)
    ]
    options = Options(
        dataset="clips", user_column="user", item_column="item", features={name: name for name in ["mood", *names]}
    )
    data = read(prepare(tmp_path, features, rows), options)
    width = int(np.prod(shape))
    for name in names:
        assert data.modalities[name].features.tolist() == [[0] * width, [1] * width], name
    assert data.modalities["mood"].features.tolist() == [[0, 0, 0], [1, 0, 0]]


def test_movielens_is_read_by_default(tmp_path):
    columns = ["user_id", "movie_id", "user_rating", "timestamp", "movie_genres"]
    with tfds.testing.mock_data(num_examples=30):
        # The same columns, because the examples that TFDS makes up depend on them.
        wanted = tfds.decode.PartialDecoding(dict.fromkeys(columns, True))
        examples = list(tfds.as_numpy(tfds.load("movielens/100k-ratings", split="train", decoders=wanted)))
        data = read(tmp_path, Options())
    expected = [(example["user_id"].decode(), example["movie_id"].decode()) for example in examples]
    found = [
        (data.user_ids[user], data.item_ids[item])
        for user, item in zip(data.interactions.user, data.interactions.item, strict=True)
    ]
    assert found == expected
    np.testing.assert_array_equal(data.interactions.rating, [example["user_rating"] for example in examples])
    np.testing.assert_array_equal(data.interactions.timestamp, [example["timestamp"] for example in examples])
    genres = data.modalities["genres"]
    for example in examples:
        row = genres.row_of_item[data.item_ids.index(example["movie_id"].decode())]
        assert set(np.flatnonzero(genres.features[row])) == set(example["movie_genres"])


def test_movielens_can_be_converted_and_split_by_time(tmp_path):
    with tfds.testing.mock_data(num_examples=30):
        record_set = convert("tfds", tmp_path, tmp_path / "records", splitting=Splitting("time", 0.2, 0.2))
    assert {name: split.interactions for name, split in record_set.metadata.splits.items()} == {
        "train": 18,
        "validation": 6,
        "test": 6,
    }
    assert record_set.metadata.modalities["genres"].width == 21


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dataset": "clip"}, 'TFDS cannot load "clip": Dataset clip not found'),
        ({"split": "trian"}, 'TFDS cannot load "clips": '),
        ({"user_column": "user_id"}, "clips/1.0.0: has the columns clip, frame, kind"),
        ({"features": {"title": "clip"}}, 'column "clip" holds Text'),
        ({"user_column": "frame"}, 'column "frame" holds Tensor'),
        ({"timestamp_column": "mood"}, 'column "mood" holds Sequence'),
    ],
)
def test_a_set_that_is_not_acceptable_is_refused(changed, message, prepared):
    assert message in refusal(prepared, Options(**{**vars(CLIPS), **changed}))


def test_nothing_is_downloaded_unless_asked_for(tmp_path):
    assert "let TFDS fetch the set with --tfds.download true" in refusal(tmp_path, Options())
    assert "does not exist, expected a folder" in refusal(tmp_path / "nowhere", Options())


def test_damaged_files_are_refused(prepared):
    (shard,) = prepared.glob("clips/*/*tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-9])
    assert 'the files of "clips" cannot be read' in refusal(prepared, CLIPS)


def test_examples_that_cannot_be_read_are_left_out_and_listed(tmp_path):
    rows = [
        WATCHED[0],
        {**WATCHED[1], "clip": ""},
        {**WATCHED[2], "clip": b"caf\xe9"},
        {**WATCHED[3], "when": "noon"},
        {**WATCHED[3], "when": "7"},
    ]
    features = tfds.features.FeaturesDict({**FEATURES, "when": tfds.features.Text()})
    prepare(tmp_path, features, [{**row, "when": str(row["when"])} for row in rows])
    with pytest.raises(InvalidInputError, match=r'clips/1\.0\.0: record 3: column "clip" holds text that is not UTF-8'):
        convert("tfds", tmp_path, tmp_path / "videos", options=CLIPS)
    splitting = Splitting(validation=0, test=0)
    converted = convert("tfds", tmp_path, tmp_path / "videos", options=CLIPS, splitting=splitting, on_error="skip")
    funnel = converted.metadata.funnel
    assert (funnel.rows_read, funnel.rejected) == (5, {"no item": 1, "not UTF-8": 1, "unreadable time": 1})
    assert converted.item_ids == ["b", "c"]
    listed = (tmp_path / "videos.rejected.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[:2] for line in listed[1:]] == [["clips/1.0.0", str(record)] for record in (2, 3, 4)]
    assert listed[2].endswith(r',"5,caf\xe9,10"')


def test_items_of_fractions_and_their_features_have_the_same_ids(tmp_path):
    features = tfds.features.FeaturesDict({"user": tf.int64, "item": tf.float64, "size": tf.float32})
    rows = [{"user": 1, "item": item, "size": item} for item in (2.0, 3.0, np.nan)]
    options = Options(dataset="clips", user_column="user", item_column="item", features={"size": "size"})
    data = read(prepare(tmp_path, features, rows), options, request=ReadRequest(bad_rows=BadRows(skip=True)))
    assert data.item_ids == ["2", "3"]
    assert data.modalities["size"].features.tolist() == [[2], [3]]
