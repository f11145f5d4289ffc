import csv
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.sources.mmrec import Options, read
from tf_metammf.records.splits.splitting import Splitting

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "tiktok"

HEADER = "userID\titemID\tx_label\n"
ROWS = "0\t1\t0\n0\t2\t1\n3\t0\t2\n3\t1\t0\n"


def folder_of(path, *, text=HEADER + ROWS, **features):
    (path / "clips.inter").write_text(text)
    for stem, matrix in (features or {"image": np.ones((4, 2)), "audio": np.zeros((4, 3), np.float16)}).items():
        np.save(path / f"{stem}_feat.npy", matrix)
    return path


def refusal(path, options=None):
    with pytest.raises(InvalidInputError) as raised:
        read(path, options or Options())
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_users_items_splits_and_modalities_are_those_of_the_folder(tmp_path):
    image = np.arange(8, dtype=np.float32).reshape(4, 2)
    data = read(folder_of(tmp_path, image=image, audio=np.zeros((4, 3), np.float16), mood=np.ones((4, 1))), Options())
    assert data.name == "clips"
    assert data.user_ids == ["0", "1", "2", "3"]  # 1 and 2 do not occur, and are users all the same
    assert data.item_ids == ["0", "1", "2", "3"]  # 3 has features and no interaction
    assert {name: list(zip(split.user, split.item, strict=True)) for name, split in data.splits.items()} == {
        "train": [(0, 1), (3, 1)],
        "validation": [(0, 2)],
        "test": [(3, 0)],
    }
    assert sorted(data.modalities) == ["acoustic", "mood", "visual"]
    visual = data.modalities["visual"]
    np.testing.assert_array_equal(visual.features[visual.row_of_item], image)
    assert data.modalities["acoustic"].features.dtype == np.float16


def test_ratings_and_timestamps_are_taken_where_there_are_such_columns(tmp_path):
    text = "itemID\trating\tother\tuserID\ttimestamp\tx_label\n1\t4.5\ta b\t0\t1000000000.5\t0\n2\t\t\t1\t7\t2\n"
    data = read(folder_of(tmp_path, text=text), Options())
    np.testing.assert_array_equal(data.interactions.timestamp, [1_000_000_000_500, 7_000])
    np.testing.assert_array_equal(data.interactions.rating, np.array([4.5, np.nan], np.float32))


def test_columns_can_be_named(tmp_path):
    data = read(
        folder_of(tmp_path, text="u\ti\tpart\n1\t2\t0\n"),
        Options(user_column="u", item_column="i", split_column="part"),
    )
    assert (data.interactions.user.tolist(), data.interactions.item.tolist()) == ([1], [2])


def test_modalities_can_be_chosen_and_an_unknown_one_is_answered_with_the_nearest(tmp_path):
    folder_of(tmp_path)
    assert list(read(tmp_path, Options(modalities=("visual",))).modalities) == ["visual"]
    assert 'unknown modality "vizual"; did you mean "visual"?' in refusal(tmp_path, Options(modalities=("vizual",)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "clips.inter: is empty"),
        (HEADER, "has columns and no rows"),
        (ROWS, "has the columns 0, 1, 0; expected userID, itemID, x_label"),
        ("userID,itemID,x_label\n0,1,0\n", "has the columns userID,itemID,x_label; expected"),
        ("userID\titemID\n0\t1\n", "has the columns userID, itemID; expected userID, itemID, x_label"),
        (HEADER + "0\t1\t0\n0\t1\n", "line 3: has 2 values, expected 3"),
        (HEADER + "0\t1\t0\n0\tone\t0\n", 'line 3: column "itemID" has "one", expected a whole number'),
        (HEADER + "0\t1\t0\n0\t1.5\t0\n", 'has "1.5", expected a whole number'),
        (HEADER + "0\t1\t0\n\t1\t0\n", 'line 3: column "userID" has no id'),
        (HEADER + "0\t1\t0\n0\t-1\t0\n", 'line 3: column "itemID" has -1; numbers start at 0'),
        (HEADER + "0\t1\t0\n-7\t1\t0\n", 'line 3: column "userID" has -7'),
        (HEADER + "0\t1\t0\n9999999\t1\t0\n", 'line 3: column "userID" has user 9999999'),
        (
            HEADER + "0\t1\t0\n0\t4\t0\n",
            'line 3: column "itemID" has item 4, expected 0 to 3, the rows of the feature files',
        ),
        (HEADER + "0\t1\t0\n999999999999\t1\t0\n", 'line 3: column "userID" has user 999999999999'),
        (HEADER + "0\t1\t3\n", 'line 2: column "x_label" holds "3"; expected train, validation, test or 0, 1, 2'),
        (HEADER + "0\t1\t0\n0\t1\t\n", 'line 3: column "x_label" holds ""; expected train'),
        (
            "userID\titemID\tx_label\ttimestamp\n0\t1\t0\tnoon\n",
            'column "timestamp" holds values such as "noon", expected numbers',
        ),
    ],
)
def test_interactions_that_are_not_acceptable_are_refused(text, message, tmp_path):
    assert message in refusal(folder_of(tmp_path, text=text))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((3, 2)), "differ in rows (audio_feat.npy 4, image_feat.npy 3)"),
        (np.ones((5, 2)), "differ in rows (audio_feat.npy 4, image_feat.npy 5)"),
        (np.ones(4), "image_feat.npy: holds float64 [4], expected numbers [items, width]"),
        (np.ones((4, 0)), "holds float64 [4, 0]"),
        (np.ones((4, 2), bool), "holds bool [4, 2]"),
        (np.array([["a", "b"]] * 4), "holds <U1 [4, 2]"),
        (np.array([[{}]] * 4, object), "image_feat.npy: is not a readable .npy file of numbers"),
    ],
)
def test_features_that_are_not_acceptable_are_refused(matrix, message, tmp_path):
    assert message in refusal(folder_of(tmp_path, image=matrix, audio=np.ones((4, 3))))


def test_missing_empty_and_ambiguous_files_are_refused(tmp_path):
    assert "does not exist, expected a folder" in refusal(tmp_path / "nowhere")
    assert "has no file *.inter; it holds nothing" in refusal(tmp_path)
    (tmp_path / "clips.inter").write_text(HEADER + ROWS)
    assert "is a file, expected a folder" in refusal(tmp_path / "clips.inter")
    assert "has no feature file *_feat.npy" in refusal(tmp_path)
    (tmp_path / "image_feat.npy").touch()
    assert "image_feat.npy: is empty" in refusal(tmp_path)
    (tmp_path / "image_feat.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00")
    assert "is not a readable .npy file" in refusal(tmp_path)
    folder_of(tmp_path, image=np.ones((4, 2)), video=np.ones((4, 2)))
    assert 'image_feat.npy and video_feat.npy both belong to the modality "visual"' in refusal(tmp_path)
    (tmp_path / "more.inter").write_text(HEADER + ROWS)
    assert "several files match *.inter: clips.inter, more.inter" in refusal(tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the TikTok set is not beside the checkout")
def test_the_tiktok_set_has_its_published_counts():
    data = read(SHARED, Options())
    table = np.loadtxt(SHARED / "tiktok.inter", skiprows=1, dtype=np.int64)
    assert (len(data.user_ids), len(data.item_ids)) == (9308, 6710)
    for label, (name, count) in enumerate({"train": 59_541, "validation": 3_051, "test": 6_130}.items()):
        assert len(data.splits[name]) == count
        np.testing.assert_array_equal(data.splits[name].item, table[table[:, 2] == label, 1])
    assert {name: modality.width for name, modality in data.modalities.items()} == {"acoustic": 128, "visual": 128}


def test_rows_that_cannot_be_read_are_left_out_and_listed(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    bad = "0\tx\t0\n0\t1\n\t1\t0\n0\t-1\t0\n0\t4\t0\n9999999\t1\t0\n0\t1\t7\n"
    folder_of(folder, text=HEADER + "0\t1\t0\n" + bad + ROWS)
    splitting = Splitting(method="source")
    converted = convert("mmrec", folder, tmp_path / "videos", on_error="skip", splitting=splitting)
    funnel = converted.metadata.funnel
    assert (funnel.rows_read, sum(split.interactions for split in funnel.splits.values())) == (12, 4)
    assert (converted.metadata.users, funnel.repeats) == (4, 1)
    with (tmp_path / "videos.rejected.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [(row["file"], int(row["record"]), int(row["line"])) for row in listed] == [
        ("clips.inter", record, record + 1) for record in range(2, 9)
    ]
    assert [row["text"] for row in listed] == bad.splitlines()
    assert [row["reason"].partition(":")[0] for row in listed] == [
        *("unreadable number", "wrong number of values", "no user", "item out of range", "item out of range"),
        *("user out of range", "unknown split"),
    ]
