"""What became of the rows that a conversion read: every one of them is accounted for."""

import json

import numpy as np
import pytest

from tf_metammf.commands.funnel_table import print_funnel
from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.description import describe
from tf_metammf.records.funnel import Funnel, SplitCounts
from tf_metammf.records.metadata import METADATA_FILE, Metadata
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.sources import tabular
from tf_metammf.records.splits.filtering import Filtering


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> tuple[RecordSet, list[list[int]]]:
    """Views of 30 users with ratings and repeats, a modality for some items, and the rows."""
    folder = tmp_path_factory.mktemp("views")
    generator = np.random.default_rng(1)
    rows = np.stack(
        [
            generator.integers(30, size=600),
            generator.integers(25, size=600),
            generator.integers(1, 6, size=600),
            generator.permutation(600),
        ],
        1,
    )
    rows = np.concatenate([rows, [[90, 1, 5, 700], [1, 90, 5, 701]]])  # below a core
    lines = ["user,item,rating,time", *(",".join(map(str, row)) for row in rows)]
    (folder / "interactions.csv").write_text("\n".join(lines) + "\n")
    ids = [*range(3, 25), 40, 41]
    np.savez(folder / "image_feat.npz", item=ids, features=np.ones((len(ids), 2), np.float32))
    np.save(folder / "user_feat.npy", np.ones((30, 2), np.float32))
    record_set = convert("tabular", folder, folder / "records", filtering=Filtering(rating_threshold=2, k_core=2))
    return record_set, rows.tolist()


def test_every_row_is_accounted_for(converted):
    record_set, rows = converted
    funnel = record_set.metadata.funnel
    rated = [row for row in rows if row[2] >= 2]
    pairs = {(row[0], row[1]) for row in rated}
    assert funnel.rows_read == 602
    assert funnel.rejected == {}
    assert funnel.below_threshold == 602 - len(rated)
    assert funnel.repeats == len(rated) - len(pairs)
    assert funnel.outside_k_core == 2  # the two of a lonely user and a lonely item
    assert sum(split.interactions for split in funnel.splits.values()) == len(pairs) - 2
    assert {name: split.interactions for name, split in funnel.splits.items()} == {
        name: entry.interactions for name, entry in record_set.metadata.splits.items()
    }
    assert funnel.items_without_features == 3
    assert funnel.features_without_interaction == 2
    assert funnel.notes[0].startswith("user_feat.npy was left out")
    assert funnel.method == "time"


def test_interactions_of_users_and_items_that_training_lacks_are_counted(tmp_path):
    rows = ["user,item,split", "u,a,train", "v,b,train", "w,a,validation", "w,c,validation", "u,c,test", "u,b,test"]
    (tmp_path / "interactions.csv").write_text("\n".join(rows) + "\n")
    options = tabular.Options(features={})
    funnel = convert("tabular", tmp_path, tmp_path / "records", options=options).metadata.funnel
    assert funnel.splits == {
        "train": SplitCounts(2, 0, 0),
        "validation": SplitCounts(2, 2, 1),
        "test": SplitCounts(2, 0, 1),
    }
    assert (funnel.method, funnel.reason) == ("source", "the source has splits")


def test_the_funnel_is_in_the_file_and_the_description(converted):
    record_set, _ = converted
    content = json.loads((record_set.folder / METADATA_FILE).read_text())
    assert Funnel.from_json(content["funnel"]) == record_set.metadata.funnel == describe(record_set).funnel


def test_a_record_set_without_a_funnel_is_read_and_has_the_same_checksum(converted, tmp_path):
    record_set, _ = converted
    content = json.loads((record_set.folder / METADATA_FILE).read_text())
    del content["funnel"]
    (tmp_path / METADATA_FILE).write_text(json.dumps(content))
    metadata = Metadata.read(tmp_path)
    assert metadata.funnel is None
    assert metadata.checksum == record_set.metadata.checksum


@pytest.mark.parametrize(
    "change", [{"rows_read": -1}, {"repeats": "3"}, {"splits": {}}, {"reason": None}, {"like": {}}]
)
def test_a_damaged_funnel_is_named(change, converted, tmp_path):
    record_set, _ = converted
    content = json.loads((record_set.folder / METADATA_FILE).read_text())
    content["funnel"] |= change
    (tmp_path / METADATA_FILE).write_text(json.dumps(content))
    with pytest.raises(InvalidRecordSetError, match="is incomplete or malformed"):
        Metadata.read(tmp_path)


def test_the_funnel_is_printed_with_everything_in_it(capsys):
    splits = {"train": SplitCounts(700), "validation": SplitCounts(0), "test": SplitCounts(200, 50, 20)}
    funnel = Funnel(1234, {"no [user]": 4}, 100, 200, 30, splits, "time", "as requested", 5, 6, None, ("A note.",))
    print_funnel(funnel)
    printed = capsys.readouterr().out
    for text in ("1,234", "no [user]", "100", "200", "30", "700", "A note.", "Split by time: as requested."):
        assert text in printed
    assert "The validation split is empty: train needs one." in printed
    assert "Of the test interactions, 25.0% are of users and 10.0% on items that training never saw." in printed
    assert all(f"= {name}" in printed for name in SPLITS)
