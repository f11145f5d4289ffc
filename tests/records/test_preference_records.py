"""Preferences on their way from files and logs into record sets, against plain Python on the raw rows."""

import hashlib
import json
import shutil

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from preference_log import RULE, log

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError, InvalidRecordSetError
from tf_metammf.records import (
    Filtering,
    NamedPreferences,
    Preferences,
    add_preferences,
    convert,
    describe,
    open_record_set,
    read_interactions,
    read_preferences,
    remove,
    validate,
)
from tf_metammf.records.beam.conversion import convert_with_beam
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.raw_files.preference_files import (
    write_preferences_file,
)
from tf_metammf.records.raw_files.preferences_from_logs import MOST_REJECTED
from tf_metammf.records.sources import tabular

DAY = 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("preferences") / "raw"
    found.mkdir()
    pyarrow.csv.write_csv(log(), found / "interactions.csv")
    return found


def converted(folder, target, **arguments):
    options = tabular.Options(features={}, rating_column="completion")
    return convert("tabular", folder, target, options=options, filtering=Filtering(rating_threshold=0.5), **arguments)


@pytest.fixture(scope="module")
def records(folder, tmp_path_factory):
    return converted(folder, tmp_path_factory.mktemp("records") / "set", preferences=RULE)


@pytest.fixture(scope="module")
def plain(folder, tmp_path_factory):
    return converted(folder, tmp_path_factory.mktemp("records") / "plain")


def raw_rows(record_set, split):
    """Preferences of a split as (user, chosen, {rejected}), raw ids."""
    found = read_preferences(record_set, split)
    users, items, ends = record_set.user_ids, record_set.item_ids, np.cumsum(found.counts)
    return [
        (users[found.user[row]], items[found.chosen[row]], {items[item] for item in found.rejected[end - count : end]})
        for row, (end, count) in enumerate(zip(ends, found.counts, strict=True))
    ]


def positives(record_set, *splits):
    pairs = [read_interactions(record_set, split) for split in splits]
    users, items = record_set.user_ids, record_set.item_ids
    return {(users[user], items[item]) for each in pairs for user, item in zip(each.user, each.item, strict=True)}


def test_a_rule_finds_the_pairs_of_each_user_that_are_near_in_time(records):
    rows = log().to_pylist()
    won = {(row["user"], row["item"]) for row in rows if row["completion"] >= 0.8}
    expected = {}
    for row in rows:
        key = (row["user"], row["item"])
        if row["completion"] < 0.8 or key in expected:
            continue  # rows are in the order of time, and the first one of an item counts
        near = [
            (abs(other["timestamp"] - row["timestamp"]), other["timestamp"], other["item"])
            for other in rows
            if other["user"] == row["user"]
            and other["completion"] < 0.2
            and (other["user"], other["item"]) not in won
            and abs(other["timestamp"] - row["timestamp"]) <= DAY
        ]
        expected[key] = {item for _, _, item in sorted(near)[:MOST_REJECTED]}
    everything = positives(records, "train", "validation", "test")
    test, validation = positives(records, "test"), positives(records, "validation")
    wanted = {
        key: rejected
        for key, found in expected.items()
        if (rejected := {item for item in found if (key[0], item) not in everything}) and key not in test
    }
    train, held_out = raw_rows(records, "train"), raw_rows(records, "validation")
    assert {(user, chosen): rejected for user, chosen, rejected in train + held_out} == wanted
    assert len(train) + len(held_out) == len(wanted) > 50
    assert not {(user, chosen) for user, chosen, _ in train} & validation
    apart = sum((user, chosen) not in validation for user, chosen, _ in held_out)
    assert 0.1 < apart / (apart + len(train)) < 0.3
    assert validate(records.folder) == []


def test_the_same_data_give_the_same_bytes_and_another_seed_another_division(folder, records, tmp_path):
    again = converted(folder, tmp_path / "again", preferences=RULE)
    assert again.metadata.checksum == records.metadata.checksum
    other = converted(folder, tmp_path / "other", preferences=RULE, seed=1)
    assert raw_rows(other, "validation") != raw_rows(records, "validation")


def test_a_preference_stays_in_its_split_whatever_others_there_are(plain, records, tmp_path):
    rows = raw_rows(records, "train")[::2] + raw_rows(records, "validation")[::2]
    named = NamedPreferences(*([row[side] for row in rows] for side in (0, 1)), [sorted(row[2]) for row in rows])
    fewer = add_preferences(plain, named, tmp_path / "fewer")
    for split in ("train", "validation"):
        kept = raw_rows(fewer, split)
        assert len(kept) == len(raw_rows(records, split)[::2])
        assert all(row in raw_rows(records, split) for row in kept)


def test_record_sets_without_preferences_are_written_as_before(records, plain):
    assert plain.metadata.schema_version == 2
    assert "preferences" not in json.loads((plain.folder / "metadata.json").read_text())
    assert records.metadata.schema_version == 5
    assert records.metadata.checksum_without_preferences == plain.metadata.checksum != records.metadata.checksum


def test_a_file_converts_with_the_interactions_and_says_what_was_left_out(folder, tmp_path):
    taken = [*zip(log()["user"].to_pylist(), log()["item"].to_pylist(), strict=True)]
    free = [f"v{n}" for n in range(60) if ("u1", f"v{n}") not in taken][:4]
    interacted = next(item for user, item in taken if user == "u1")
    write_preferences_file(
        tmp_path / "pairs.csv",
        NamedPreferences(
            ["u1", "u1", "u1", "gone"],
            [free[0], free[1], free[2], free[0]],
            [[free[3], "gone"], [free[3]], [free[2]], ["x"]],
        ),
    )
    record_set = converted(folder, tmp_path / "set", preferences=str(tmp_path / "pairs.csv"))
    found = describe(record_set).preferences
    assert (found.train, found.held_out, found.users) == (1, 1, 1)
    assert found.dropped["unknown"] == 1
    assert found.dropped["unknown_rejected"] == 1
    assert found.dropped["nothing_rejected"] == 1  # it was chosen over itself
    assert record_set.metadata.source["preferences"]["from"] == "pairs.csv"
    assert interacted not in {item for each in raw_rows(record_set, "train") for item in each[2]}


def test_preferences_are_added_to_a_record_set_and_replaced(plain, tmp_path):
    first = read_interactions(plain, "train")
    user = plain.user_ids[first.user[0]]
    watched = positives(plain, "train", "validation", "test")
    unseen = [item for item in plain.item_ids if (user, item) not in watched]
    assert len(unseen) > 4
    named = NamedPreferences([user] * 2, unseen[:2], [unseen[2:3], unseen[3:4]], source=["a", "b"])
    added = add_preferences(plain, named, tmp_path / "added", origin="survey", share=0.5)
    assert validate(added.folder) == []
    assert added.metadata.checksum_without_preferences == plain.metadata.checksum
    assert read_preferences(added, "train").source in (["a"], ["b"])
    again = add_preferences(added, NamedPreferences([user], unseen[:1], [unseen[1:2]]), tmp_path / "again")
    assert len(read_preferences(again, "train")) == 1
    assert len(read_preferences(again, "validation")) == 0
    assert validate(again.folder) == []


def test_nothing_to_learn_from_is_refused_with_the_reason(plain, tmp_path):
    with pytest.raises(InvalidInputError, match="of 1, none is left to learn from: 1 are of users or chosen items"):
        add_preferences(plain, NamedPreferences(["nobody"], ["v1"], [["v2"]]), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_record_set_inside_the_one_that_it_is_copied_from_is_refused(plain):
    named = NamedPreferences(["u1"], ["v1"], [["v2"]])
    with pytest.raises(InvalidInputError, match="is inside the record set"):
        add_preferences(plain, named, plain.folder / "preferred")
    assert validate(plain.folder) == []


def test_removed_users_and_items_are_gone_from_preferences(records, tmp_path):
    item = sorted(raw_rows(records, "train")[0][2])[0]
    smaller = remove(records, tmp_path / "smaller", users=["u3"], items=[item]).record_set
    assert validate(smaller.folder) == []
    for split in ("train", "validation"):
        expected = [
            (user, chosen, rejected - {item})
            for user, chosen, rejected in raw_rows(records, split)
            if user != "u3" and chosen != item and rejected - {item}
        ]
        assert raw_rows(smaller, split) == expected


def test_tfds_reads_preferences(records):
    builder = tfds.builder_from_directory(records.folder / "preferences")
    examples = list(builder.as_dataset("train"))
    found = read_preferences(records, "train")
    assert [int(each["user"]) for each in examples] == found.user.tolist()
    assert [item for each in examples for item in each["rejected"].numpy()] == found.rejected.tolist()


def rewritten(record_set, target, change):
    """A copy of a record set whose first training preference was changed, with sizes and checksums that agree."""
    shutil.copytree(record_set.folder, target)
    metadata = json.loads((target / "metadata.json").read_text())
    (shard,) = metadata["preferences"]["splits"]["train"]["shards"]
    path = target / shard["path"]
    examples = [tf.train.Example.FromString(each) for each in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]
    change(examples[0].features.feature)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    shard |= {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (target / "metadata.json").write_text(json.dumps(metadata))
    return open_record_set(target)


def test_validate_names_preferences_that_do_not_go_with_the_interactions(records, tmp_path):
    train, test = read_interactions(records, "train"), read_interactions(records, "test")
    user = read_preferences(records, "train").user[0]
    liked, asked = int(train.item[train.user == user][0]), int(test.item[test.user == user][0])

    def rejects(feature):
        feature["rejected"].int64_list.value[0] = liked

    def chooses(feature):
        feature["chosen"].int64_list.value[0] = asked

    def points_nowhere(feature):
        feature["chosen"].int64_list.value[0] = 10**6

    most = records.metadata.items - 1
    for name, change, expected in (
        ("a", rejects, f"1 rejected items are train interactions of the user, first user {user}, item {liked}"),
        ("b", chooses, f"1 chosen items are test interactions of the user, first user {user}, item {asked}"),
        (
            "c",
            points_nowhere,
            f"record 0 has the chosen [1000000], expected one from 0 to {most}",
        ),
    ):
        changed = rewritten(records, tmp_path / name, change)
        assert any(expected in str(finding) for finding in validate(changed.folder)), validate(changed.folder)
    with pytest.raises(InvalidRecordSetError, match="record 0 has the chosen"):
        read_preferences(changed, "train")


def test_what_cannot_have_preferences_refuses_them_by_name(folder, plain, tmp_path):
    with pytest.raises(InvalidInputError, match="has no preferences"):
        read_preferences(plain, "train")
    with pytest.raises(InvalidInputError, match="Beam pipelines do not read preferences"):
        convert_with_beam(str(folder), str(tmp_path / "a"), ConversionSettings(preferences=RULE))
    with pytest.raises(InvalidInputError, match="the source recbole has no columns that it could compare"):
        convert("recbole", folder, tmp_path / "b", preferences=RULE)
    with pytest.raises(InvalidInputError, match='no column "likes"; the columns are user, item, timestamp, completion'):
        converted(folder, tmp_path / "c", preferences="likes > 0 over completion < 1")
    with pytest.raises(InvalidInputError, match="holds users, items or times"):
        converted(folder, tmp_path / "d", preferences="timestamp > 0 over completion < 1")
    with pytest.raises(InvalidInputError, match="finds no preference"):
        converted(folder, tmp_path / "e", preferences="completion > 2 over completion < 1")
    with pytest.raises(InvalidInputError, match="file not found"):
        ConversionSettings(preferences=str(tmp_path / "nothing.csv"))
    with pytest.raises(InvalidInputError, match="preferences_share is 1, expected"):
        ConversionSettings(preferences_share=1)
    with pytest.raises(InvalidInputError, match="counts that add up to 2"):
        Preferences(*np.ones((3, 1), np.int64), counts=np.array([2]))


def test_without_times_a_rule_with_a_time_is_refused_and_one_without_works(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    pyarrow.csv.write_csv(log().drop_columns("timestamp"), raw / "interactions.csv")
    with pytest.raises(InvalidInputError, match="there is no column of times"):
        converted(raw, tmp_path / "a", preferences=RULE)
    found = converted(raw, tmp_path / "b", preferences=RULE.replace(", 24 hours", ""))
    assert read_preferences(found, "train").counts.max() <= MOST_REJECTED


def test_the_command_describes_and_reports_them(folder, tmp_path, capsys):
    words = ["records", "convert", "--source", "tabular", "--input", str(folder), "--output", str(tmp_path / "set")]
    words += [
        "--tabular.features",
        "{}",
        "--tabular.rating_column",
        "completion",
        "--filtering.rating_threshold",
        "0.5",
    ]
    assert main([*words, "--preferences", RULE, "--preferences_share", "0.3"]) == 0
    assert main(["records", "describe", str(tmp_path / "set")]) == 0
    assert "rejected items that are interactions" in capsys.readouterr().out
    assert main(["records", "report", str(tmp_path / "set"), "--output", str(tmp_path / "report.html")]) == 0
    assert "<h2>Preferences</h2>" in (tmp_path / "report.html").read_text()
    assert main(["records", "validate", str(tmp_path / "set")]) == 0
