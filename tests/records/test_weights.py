"""Weights of interactions on their way from raw tables to batches, against plain Python on the raw numbers."""

import json
import shutil

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError, InvalidRecordSetError
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.description import describe
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.raw_data import SPLITS, Interactions, RawData
from tf_metammf.records.reader import interactions, read_interactions
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.removal import remove
from tf_metammf.records.report.data_report import report_on
from tf_metammf.records.report.page import page
from tf_metammf.records.sources import mmrec, recbole, tabular
from tf_metammf.records.splits.filtering import Filtering
from tf_metammf.records.splits.splitting import Splitting
from tf_metammf.records.validation import validate
from tf_metammf.records.writer import write_record_set

FORMULA = "min(seconds / duration, 1)"


def log(rows: int = 300) -> pyarrow.Table:
    random = np.random.default_rng(0)
    return pyarrow.table(
        {
            "user": [f"u{n}" for n in random.integers(0, 12, rows)],
            "item": [f"v{n}" for n in random.integers(0, 20, rows)],
            "timestamp": random.permutation(rows) + 1000,
            "seconds": random.uniform(0, 30, rows).round(2),
            "duration": random.integers(5, 20, rows),
            "rating": random.integers(1, 6, rows),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of raw tables."""
    found = tmp_path_factory.mktemp("weights") / "raw"
    found.mkdir()
    pyarrow.csv.write_csv(log(), found / "interactions.csv")
    return found


def converted(folder, target, *, weight=FORMULA, **arguments):
    return convert("tabular", folder, target, options=tabular.Options(features={}, weight=weight), **arguments)


@pytest.fixture(scope="module")
def weighted(folder):
    """The record set with weights; tests only read it."""
    return converted(folder, folder.parent / "weighted", splitting=Splitting("random"))


@pytest.fixture(scope="module")
def plain(folder):
    """The same without weights."""
    return converted(folder, folder.parent / "plain", weight=None, splitting=Splitting("random"))


def write_csv(path, names, rows):
    lines = [",".join("" if value is None else str(value) for value in row) for row in [names, *rows]]
    path.write_text("\n".join(lines) + "\n")


def weights_of(record_set) -> dict[tuple[str, str], float]:
    """Weights by raw ids, of all splits."""
    users, items = record_set.user_ids, record_set.item_ids
    parts = [read_interactions(record_set, split) for split in SPLITS]
    return {
        (users[u], items[i]): float(w)
        for part in parts
        for u, i, w in zip(part.user, part.item, part.weight, strict=True)
    }


def expected(rule: str = "first", *, threshold: int = 0) -> dict[tuple[str, str], float]:
    combine = {"first": lambda found: found[0], "last": lambda found: found[-1], "largest": max, "sum": sum}[rule]
    of_pair: dict[tuple[str, str], list[float]] = {}
    for row in sorted(log().to_pylist(), key=lambda row: row["timestamp"]):
        if row["rating"] >= threshold:
            weight = min(row["seconds"] / row["duration"], 1)
            of_pair.setdefault((row["user"], row["item"]), []).append(float(np.float32(weight)))
    return {pair: combine(found) for pair, found in of_pair.items()}


@pytest.mark.parametrize("rule", ["first", "last", "largest", "sum"])
def test_weights_of_repeats_follow_the_rule(rule, folder, tmp_path):
    filtering = Filtering(weight_of_repeats=rule, rating_threshold=2, k_core=2)
    found = weights_of(converted(folder, tmp_path / "set", filtering=filtering))
    assert found == {pair: pytest.approx(weight, rel=1e-6) for pair, weight in expected(rule, threshold=2).items()}


def test_rows_of_another_split_have_no_part_in_a_weight(tmp_path):
    rows = [("a", "x", 1, "train"), ("a", "x", 9, "test"), ("a", "y", 2, "train"), ("b", "x", 3, "validation")]
    rows += [("b", "y", 4, "test"), ("a", "x", 5, "train")]
    write_csv(tmp_path / "views.csv", ["user", "item", "n", "split"], rows)
    found = converted(
        tmp_path / "views.csv", tmp_path / "set", weight="n", filtering=Filtering(weight_of_repeats="sum")
    )
    assert weights_of(found) == {("a", "x"): 6, ("a", "y"): 2, ("b", "x"): 3, ("b", "y"): 4}


def test_weights_change_nothing_but_themselves(weighted, plain):
    assert weights_of(weighted) == {pair: pytest.approx(weight) for pair, weight in expected().items()}
    for split in SPLITS:
        one, other = read_interactions(weighted, split), read_interactions(plain, split)
        np.testing.assert_array_equal(one.user, other.user)
        np.testing.assert_array_equal(one.item, other.item)
        np.testing.assert_array_equal(one.timestamp, other.timestamp)
        assert other.weight is None and one.weight.dtype == np.float32


def test_a_set_without_weights_says_nothing_of_them_and_keeps_its_schema_version(weighted, plain):
    assert "weight" not in (plain.folder / "metadata.json").read_text()
    assert (plain.metadata.schema_version, weighted.metadata.schema_version) == (2, 4)
    source = weighted.metadata.source
    assert source["options"]["weight"] == FORMULA
    assert source["filtering"]["weight_of_repeats"] == "first"


@pytest.mark.parametrize("memory_budget", [2**30, 0])
def test_batches_carry_the_weight_of_each_interaction_or_none(memory_budget, weighted, plain):
    options = {"batch_size": 32, "shuffle_seed": 4, "memory_budget": memory_budget}
    found = list(interactions(weighted, "train", **options).as_numpy_iterator())
    users, items = weighted.user_ids, weighted.item_ids
    known = weights_of(weighted)
    for batch in found:
        assert batch["weight"].dtype == np.float32
        pairs = zip(batch["user"], batch["item"], strict=True)
        assert batch["weight"].tolist() == [known[users[u], items[i]] for u, i in pairs]
    for others in (interactions(weighted, "train", weights=False, **options), interactions(plain, "train", **options)):
        for batch, other in zip(found, others.as_numpy_iterator(), strict=True):
            assert batch.keys() - other.keys() == {"weight"}
            for name in other:
                np.testing.assert_array_equal(batch[name], other[name])


def test_tfds_reads_the_weights(weighted):
    builder = tfds.builder_from_directory(weighted.folder / "interactions")
    blocks = list(builder.as_dataset(split="train").as_numpy_iterator())
    read = read_interactions(weighted, "train")
    np.testing.assert_array_equal(np.concatenate([block["weight"] for block in blocks]), read.weight)


def test_a_larger_set_like_this_one_and_a_set_without_users_keep_weights(folder, weighted, tmp_path):
    like = converted(folder, tmp_path / "like", splitting=Splitting(like=weighted.folder))
    smaller = remove(weighted, tmp_path / "smaller", users=["u3"])
    known = weights_of(weighted)
    assert weights_of(like) == known
    assert weights_of(smaller.record_set) == {pair: weight for pair, weight in known.items() if pair[0] != "u3"}
    assert validate(smaller.record_set.folder) == validate(weighted.folder) == []


def test_description_and_page_tell_of_weights(weighted, plain, capsys):
    weight = read_interactions(weighted, "train").weight.astype(float)
    found = describe(weighted).weights
    assert (found.least, found.most, found.median) == (weight.min(), weight.max(), np.median(weight))
    assert found.mean == pytest.approx(weight.mean())
    heaviest = np.sort(weight)[-round(len(weight) / 100) :]
    assert found.heaviest_share == pytest.approx(heaviest.sum() / weight.sum())
    assert describe(plain).weights is None
    assert "Weights" in page(report_on(weighted))
    assert "Weights" not in page(report_on(plain))
    assert main(["records", "describe", str(weighted.folder)]) == 0
    assert "weights of training interactions" in capsys.readouterr().out


def test_the_page_advises_against_a_few_weights_that_outweigh_the_rest(tmp_path):
    user, item = np.divmod(np.arange(400), 20)
    weight = np.where(np.arange(400) < 3, 1000, 1).astype(np.float32)
    whole = Interactions(user, item, weight=weight)
    splits = {
        name: whole.take(np.arange(*rows))
        for name, rows in zip(SPLITS, [(0, 300), (300, 350), (350, 400)], strict=True)
    }
    data = RawData("heavy", [f"u{n}" for n in range(20)], [f"v{n}" for n in range(20)], whole, {})
    found = report_on(write_record_set(data, splits, tmp_path / "set"))
    (advice,) = [each for each in found.suggestions if each.about == "weights"]
    assert advice.reason.startswith("1% of the training interactions have 91%")


BAD = {
    "negative": ("seconds - 1", "negative weight"),
    "infinite": ("seconds * 1e300 * 1e300", "infinite weight"),
    "divided by zero": ("min(1 / duration, 1)", "division by zero in the weight"),
    "missing": ("seconds", "no weight"),
    "text": ("other", "unreadable number"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_weight_stops_or_its_row_is_left_out(what, tmp_path):
    formula, kind = BAD[what]
    rows = [(f"u{n % 3}", f"v{n}", 2.0, 4, 1) for n in range(9)]
    rows[4] = {
        "negative": ("u1", "v4", 0.5, 4, 1),
        "infinite": ("u1", "v4", 1e9, 4, 1),
        "divided by zero": ("u1", "v4", 2.0, 0, 1),
        "missing": ("u1", "v4", None, 4, 1),
        "text": ("u1", "v4", 2.0, 4, "much"),
    }[what]
    if what == "infinite":
        rows = [(*row[:2], 0.0 if row[2] == 2.0 else row[2], *row[3:]) for row in rows]
        formula += " + 1"
    path = tmp_path / "views.csv"
    write_csv(path, ["user", "item", "seconds", "duration", "other"], rows)
    with pytest.raises(InvalidInputError, match=r"line 6: .*on_error skip") as raised:
        converted(path, tmp_path / "set", weight=formula)
    assert "\n" not in str(raised.value)
    found = converted(path, tmp_path / "set", weight=formula, on_error="skip")
    assert found.metadata.funnel.rejected == {kind: 1}
    assert ("u1", "v4") not in weights_of(found)
    (_, row) = (tmp_path / "set.rejected.csv").read_text().splitlines()
    assert row.replace('"', "").startswith(f"views.csv,5,6,{kind}: ")


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("watched", 'no column "watched"; the columns are user, item'),
        ("user * 2", 'the column "user" holds the users'),
        ("timestamp", 'the column "timestamp" holds the times'),
        ("seconds * 0", "all training interactions have the weight 0"),
        ("seconds ** 2", "not allowed"),
    ],
)
def test_formulas_that_fit_no_row_are_refused(formula, message, folder, tmp_path):
    with pytest.raises(InvalidInputError, match=message):
        converted(folder, tmp_path / "set", weight=formula)
    assert not (tmp_path / "set").exists()


def test_text_in_a_typed_column_and_an_unknown_rule_are_refused(tmp_path):
    columns = pyarrow.table({"user": ["a"], "item": ["b"], "much": ["x"]})
    pyarrow.parquet.write_table(columns, tmp_path / "views.parquet")
    with pytest.raises(InvalidInputError, match=r'column "much" holds .*string, expected numbers'):
        converted(tmp_path / "views.parquet", tmp_path / "set", weight="much")
    with pytest.raises(InvalidInputError, match="weight_of_repeats"):
        Filtering(weight_of_repeats="mean")


def test_the_rating_may_be_the_weight_whether_or_not_there_is_a_threshold(tmp_path):
    (tmp_path / "set.inter").write_text(
        "user_id:token\titem_id:token\trating:float\tlikes:float\na\tx\t4\t2\nb\ty\t1\t3\n"
    )
    (tmp_path / "set.item").write_text("item_id:token\tf:float_seq\nx\t1 2\ny\t3 4\n")
    found = recbole.read(tmp_path, recbole.Options(weight="rating + 10 * likes"))
    assert found.interactions.weight.tolist() == [24, 31]
    assert found.interactions.rating.tolist() == [4, 1]


def test_the_layout_of_mmrec_may_have_weights(tmp_path):
    (tmp_path / "set.inter").write_text("userID\titemID\trating\tx_label\n0\t1\t4\t0\n1\t0\t2\t1\n0\t0\t3\t2\n")
    np.save(tmp_path / "image_feat.npy", np.eye(2))
    found = mmrec.read(tmp_path, mmrec.Options(weight="rating / 2"))
    assert found.splits["train"].weight.tolist() == [2]
    assert found.splits["test"].weight.tolist() == [1.5]


def test_validation_names_a_bad_weight_and_reading_refuses_it(weighted, tmp_path):
    copied = shutil.copytree(weighted.folder, tmp_path / "copied")
    (shard,) = weighted.metadata.splits["test"].shards
    path = copied / shard.path
    (record,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    example = tf.train.Example.FromString(record)
    example.features.feature["weight"].float_list.value[3] = -1
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())
    assert any("record 0 has the weight -1.0, expected a finite number" in str(each) for each in validate(copied))
    with pytest.raises(InvalidRecordSetError, match=r"has the weight -1\.0"):
        read_interactions(open_record_set(copied), "test")
    del example.features.feature["weight"].float_list.value[3]
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())
    assert any("lists of different lengths" in str(each) for each in validate(copied))


@pytest.mark.parametrize("weight", [[1.0, -1.0], [np.nan, 1.0], [np.inf, 1.0], [0.0, 0.0]])
def test_the_writer_refuses_weights_that_cannot_be_used(weight, tmp_path):
    train = Interactions(np.array([0, 1]), np.array([1, 0]), weight=np.array(weight, np.float32))
    data = RawData("bad", ["a", "b"], ["x", "y"], train, {})
    with pytest.raises(InvalidInputError, match="weight"):
        write_record_set(data, {"train": train}, tmp_path / "set")


def test_weights_that_are_no_truth_value_in_the_metadata_are_refused(weighted, tmp_path):
    content = json.loads((weighted.folder / "metadata.json").read_text()) | {"weights": "yes"}
    (tmp_path / "metadata.json").write_text(json.dumps(content))
    with pytest.raises(InvalidRecordSetError, match="weights is 'yes'"):
        Metadata.read(tmp_path)
