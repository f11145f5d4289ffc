"""A pipeline of Beam writes what the local conversion writes, byte for byte: ``make test-beam``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is an extra with an environment of its own: make test-beam")

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.beam.conversion import convert_with_beam
from tf_metammf.records.beam.pipeline_sizes import PipelineSizes
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.sources.tabular import Options
from tf_metammf.records.splits.filtering import Filtering
from tf_metammf.records.splits.splitting import Splitting

AT = 1577836800
"""The beginning of 2020 in seconds."""
SMALL_PARTS = {"partitions": 3, "part_bytes": 300, "block_rows": 50}
"""So small that rows cross parts, and users, items and shards have interactions in many of them."""


def interactions(*, splits: bool = False) -> pyarrow.Table:
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {
        "user_id": [f"viewer {n}" for n in random.integers(0, 30, 300)],
        "item_id": [f"clip,{n}" if n == 3 else f"clip {n}" for n in random.integers(0, 25, 300)],
        "rating": random.integers(1, 6, 300),
        "timestamp": random.integers(0, 90, 300),
    }
    if splits:
        columns["split"] = random.choice(["train", "validation", "test"], 300, p=[0.8, 0.1, 0.1])
    return pyarrow.table(columns)


def write_features(folder: Path) -> None:
    random = np.random.default_rng(1)
    ids = [f"clip {n}" for n in random.permutation(24) if n != 3]
    frames = {"item_id": ids, "f0": random.normal(size=23), "f1": random.normal(size=23)}
    pyarrow.csv.write_csv(pyarrow.table(frames), folder / "visual_features.csv")
    np.save(folder / "acoustic_features.npy", random.normal(size=(20, 3)).astype(np.float16))
    (folder / "acoustic_features_ids.txt").write_text("".join(f"{raw}\n" for raw in ids[:20]), encoding="utf-8")
    lists = {"item_id": ids[:9], "words": [list(row) for row in random.normal(size=(9, 4))]}
    pyarrow.parquet.write_table(pyarrow.table(lists), folder / "textual_features.parquet", row_group_size=4)


@pytest.fixture
def logs(tmp_path) -> Path:
    """A folder of raw tables."""
    folder = tmp_path / "logs"
    folder.mkdir()
    pyarrow.csv.write_csv(interactions(), folder / "interactions.csv")
    write_features(folder)
    return folder


@pytest.fixture
def assert_same_bytes(tmp_path) -> Callable[..., None]:
    """Converts a folder in both ways and compares every file."""

    def both(folder: Path, *, beam: dict[str, Any] | None = None, **arguments: Any) -> None:
        expected = convert("tabular", folder, tmp_path / "local", **arguments)
        settings, sizes = ConversionSettings(**arguments), PipelineSizes(**{**SMALL_PARTS, **(beam or {})})
        metadata = convert_with_beam(str(folder), str(tmp_path / "beam"), settings, sizes=sizes)
        assert metadata == expected.metadata
        files = [
            {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
            for root in (tmp_path / "local", tmp_path / "beam")
        ]
        assert files[0].keys() == files[1].keys()
        assert [path for path in files[0] if files[0][path] != files[1][path]] == []
        lists = [path.read_bytes() for path in sorted(tmp_path.glob("*.rejected.csv"))]
        assert len(lists) == (2 if arguments.get("on_error") == "skip" else 0)
        assert len(set(lists)) <= 1

    return both


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": 5, "shards": 3},
        {"splitting": Splitting(method="random"), "filtering": Filtering(rating_threshold=3, k_core=3)},
        {"filtering": Filtering(deduplicate=False), "splitting": Splitting("random", validation=0, test=0.3)},
        {"splitting": Splitting(method="leave_last_out")},
        {"splitting": Splitting(method="time", test=0.25)},
        {"splitting": Splitting(method="cold_start", cold_items=0.3), "shards": 2},
        {"filtering": Filtering(k_core=4), "splitting": Splitting(method="cold_start"), "seed": 2},
        {"options": Options(weight="log1p(rating) / 3"), "filtering": Filtering(weight_of_repeats="sum", k_core=2)},
        {"options": Options(weight="rating"), "filtering": Filtering(weight_of_repeats="last", rating_threshold=2)},
        {"options": Options(weight="1 / (rating - 1)"), "on_error": "skip"},
    ],
    ids=[
        "default",
        "threshold and core",
        "duplicates kept",
        "last out",
        "time",
        "cold start",
        "core and cold start",
        "weights added up",
        "latest weights",
        "rows without a weight",
    ],
)
def test_a_pipeline_writes_the_bytes_of_the_local_conversion(logs, assert_same_bytes, arguments):
    assert_same_bytes(logs, **arguments)


@pytest.mark.parametrize("extracted", [False, True])
def test_token_sequences_of_parquet(logs, assert_same_bytes, extracted):
    random = np.random.default_rng(2)
    lengths = random.integers(0, 9, 20)
    tokens = [random.normal(size=(length, 3)).tolist() for length in lengths]
    columns = {
        "item_id": [f"clip {n}" for n in range(20)],
        "tokens": tokens,
        "times": [random.uniform(0, 9, length).tolist() for length in lengths],  # not in order
    }
    if extracted:
        columns["vector"] = [[float(length), 1.0] for length in lengths]
    pyarrow.parquet.write_table(pyarrow.table(columns), logs / "textual_features.parquet", row_group_size=6)
    options = Options(tokens=True) if extracted else None
    filtering = Filtering(k_core=3) if extracted else Filtering()
    assert_same_bytes(
        logs, options=options, filtering=filtering, most_tokens=5, stored_dtype="float16" if extracted else "float32"
    )
    assert Metadata.read(logs.parent / "beam").modalities["textual"].tokens.most == 5


def test_splits_of_the_source_in_parts_of_parquet(tmp_path, assert_same_bytes):
    folder = tmp_path / "logs"
    folder.mkdir()
    table = interactions(splits=True)
    for number, rows in enumerate((table[:120], table[120:])):
        pyarrow.parquet.write_table(rows, folder / f"views-{number}.parquet", row_group_size=50)
    assert_same_bytes(folder, options=Options(interactions="views-*.parquet", features={}))


def test_weights_of_splits_of_the_source(tmp_path, assert_same_bytes):
    folder = tmp_path / "logs"
    folder.mkdir()
    pyarrow.parquet.write_table(interactions(splits=True), folder / "views.parquet", row_group_size=50)
    options = Options(interactions="views.parquet", features={}, weight="rating / 7")
    assert_same_bytes(folder, options=options, filtering=Filtering(weight_of_repeats="largest"))
    assert Metadata.read(tmp_path / "beam").weights


def test_the_default_where_too_many_users_are_new(tmp_path, assert_same_bytes):
    folder = tmp_path / "logs"
    folder.mkdir()
    rows = [f"{user},{item},{10 * user + item % 3}" for user in range(20) for item in range(5)]
    (folder / "interactions.csv").write_text("\n".join(["user,item,time", *rows]) + "\n")
    assert_same_bytes(folder, options=Options(features={}), seed=3)
    assert Metadata.read(tmp_path / "beam").funnel.method == "leave_last_out"


def test_a_file_for_each_split_and_features_of_users(tmp_path, assert_same_bytes):
    folder = tmp_path / "logs"
    folder.mkdir()
    table = interactions().drop(["timestamp"])
    for name, rows in (("train", table[:200]), ("valid", table[200:240]), ("test", table[240:])):
        pyarrow.csv.write_csv(rows, folder / f"{name}.csv")
    write_features(folder)
    np.save(folder / "user_features.npy", np.ones((4, 2)))
    assert_same_bytes(folder)
    funnel = Metadata.read(tmp_path / "beam").funnel
    assert funnel.method == "source" and funnel.notes and funnel.repeats
    assert funnel.items_without_features and not funnel.features_without_interaction


def test_matrices_whose_rows_are_the_ids_of_the_interactions(tmp_path, assert_same_bytes):
    folder = tmp_path / "logs"
    folder.mkdir()
    random = np.random.default_rng(3)
    lines = [f"{user}\t{item}" for user, item in random.integers(0, 20, (150, 2))]
    (folder / "interactions.tsv").write_text("\n".join(["user_id\titem_id", *lines]), encoding="utf-8")
    np.save(folder / "visual_features.npy", random.normal(size=(22, 5)).astype(np.float32))
    assert_same_bytes(folder)


def test_text_as_users_have_it(tmp_path, assert_same_bytes):
    folder = tmp_path / "logs"
    folder.mkdir()
    random = np.random.default_rng(4)
    days = random.integers(1, 29, 200)
    rows = [
        f'{user},"clip {item}","a {item}\nb ""{item}""",{day:02}/03/2026 10:00:00.{day % 7}'
        for user, item, day in zip(*random.integers(0, 20, (2, 200)), days, strict=True)
    ]
    (folder / "interactions.csv").write_text("\n".join(["\ufeffuser_id,item_id,text,time", *rows]), encoding="utf-8")
    frames = [f"{row};clip {row};{row / 2};1" for row in range(20)]
    (folder / "visual_features.csv").write_text("\n".join([";ML_Id;f0;f1", *frames]), encoding="utf-8")
    np.save(folder / "acoustic_features.npy", random.normal(size=(20, 3)))
    ids = "".join(f"clip {row}\r\n" for row in range(20))
    (folder / "acoustic_features_ids.txt").write_bytes(b"\xef\xbb\xbf" + ids.encode())
    assert_same_bytes(folder, splitting=Splitting(method="leave_last_out"))


def test_rows_that_cannot_be_read_are_left_out_and_listed_as_the_local_conversion_does(tmp_path, assert_same_bytes):
    folder = tmp_path / "logs"
    folder.mkdir()
    random = np.random.default_rng(6)
    rows = [f'{u},clip {i},"a\nb",{AT + t}' for u, i, t in zip(*random.integers(0, 20, (3, 200)), strict=True)]
    rows[7], rows[50], rows[51], rows[90] = ",clip 1,x,4", "lonely,clip 2,x,noon", "3,clip 2", "\n\n4,,x,5"
    rows[100], rows[110], rows[120] = "NA,clip 1,x,4", "07,clip 2 ,x,5", "user_id,item_id,text,time"
    rows[130], rows[140], rows[150] = '"1\n",clip 2,x,5', "1E+05,clip 2,x,5", f"3,clip 4,x,{1000 * AT}"
    rows += [",,,"] * 30  # so many that a part has no other
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,text,time", *rows]), encoding="utf-8")
    frames = [f"clip {row},{row / 2},1" for row in range(20)]
    frames[3], frames[5] = "clip 3,x,1", ",7,1"
    (folder / "visual_features.csv").write_text("\n".join(["item_id,f0,f1", *frames]), encoding="utf-8")
    assert_same_bytes(folder, on_error="skip", splitting=Splitting(method="leave_last_out"))
    funnel = Metadata.read(tmp_path / "beam").funnel
    assert funnel.rejected == {
        "header once more": 1,
        "line break in user": 1,
        "no item": 1,
        "no user": 31,
        "time in another unit": 1,
        "unreadable time": 1,
        "wrong number of values": 1,
    }
    assert [note.split(":")[0] for note in funnel.notes] == [
        'Column "time"',
        "Taken as ids of users, but often written for a missing one",
        'The user id "1E+05" looks like a longer number whose last digits a spreadsheet cut, so that different users '
        "may have become one.",
        "Ids of users that look like another (spaces, leading zeros, .0) and were taken as different",
        "Ids of items that look like another (spaces, leading zeros, .0) and were taken as different",
        "Rows of features that could not be read and were left out",
    ]


def test_rows_of_parquet_that_cannot_be_read_are_left_out_and_listed(tmp_path, assert_same_bytes):
    folder = tmp_path / "logs"
    folder.mkdir()
    table = interactions(splits=True)
    for name, row, value in (("user_id", 55, None), ("item_id", 120, ""), ("split", 130, "spare")):
        values = table[name].to_pylist()
        values[row] = value
        table = table.set_column(table.column_names.index(name), name, pyarrow.array(values))
    for number, rows in enumerate((table[:120], table[120:])):
        pyarrow.parquet.write_table(rows, folder / f"views-{number}.parquet", row_group_size=50)
    assert_same_bytes(folder, on_error="skip", options=Options(interactions="views-*.parquet", features={}))
    assert Metadata.read(tmp_path / "beam").funnel.rejected == {"no item": 1, "no user": 1, "unknown split": 1}


def test_the_command_takes_the_options_of_beam(logs, tmp_path, capsys):
    words = ["records", "convert", "--source", "tabular", "--input", str(logs), "--output", str(tmp_path / "videos")]
    assert main([*words, "--beam_pipeline_options=--runner=DirectRunner --direct_num_workers=1"]) == 0
    assert f"Wrote {tmp_path / 'videos'}" in capsys.readouterr().out
    assert main(["records", "validate", str(tmp_path / "videos")]) == 0


def broken(logs: Path, name: str) -> None:
    if name == "an id is missing":
        text = (logs / "interactions.csv").read_text(encoding="utf-8")
        (logs / "interactions.csv").write_text(text + ',"clip 1",3,4\n', encoding="utf-8")
    elif name == "an item twice":
        text = (logs / "visual_features.csv").read_text(encoding="utf-8")
        (logs / "visual_features.csv").write_text(text + text.splitlines()[-1] + "\n", encoding="utf-8")
    elif name == "a feature that is not finite":
        np.save(logs / "acoustic_features.npy", np.full((20, 3), np.nan, np.float16))
    elif name == "a value that float32 cannot hold apart":
        np.save(logs / "acoustic_features.npy", np.array([[1e8 + row % 2, row] for row in range(20)]))
    elif name == "an archive":
        np.savez(logs / "motion_features.npz", item_id=np.arange(3), features=np.ones((3, 2)))
    elif name == "fewer ids than rows":
        (logs / "acoustic_features_ids.txt").write_text("clip 1\n", encoding="utf-8")
    else:
        raise AssertionError(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "an id is missing",
            r'interactions\.csv: line 302: column "user_id" has no id \(,"clip 1",3,4\)\. '
            r"Fix the row, or leave such rows out with --on_error skip\.$",
        ),
        ("an item twice", r'modality "visual": has item "clip \d+" more than once, expected once'),
        ("a feature that is not finite", r'modality "acoustic": item "clip \d+" .* has NaN or infinite'),
        (
            "a value that float32 cannot hold apart",
            r'modality "acoustic": value 1 goes from 100000000\.0 to 100000001\.0',
        ),
        (
            "an archive",
            r"motion_features\.npz: with --beam_pipeline_options tables are read in parts, which \.npz files",
        ),
        ("fewer ids than rows", r"acoustic_features\.npy: has 20 rows of features and 1 items"),
    ],
)
def test_an_error_of_a_worker_is_one_line_for_the_user_and_leaves_nothing(logs, tmp_path, name, message):
    broken(logs, name)
    with pytest.raises(InvalidInputError, match=message) as raised:
        convert_with_beam(str(logs), str(tmp_path / "videos"))
    assert "\n" not in str(raised.value) and "Traceback" not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filtering": Filtering(k_core=60)}, r"leaves no interactions for training"),
        (
            {"filtering": Filtering(k_core=8), "sizes": PipelineSizes(k_core_rounds=1)},
            r"k_core 8 is not reached after 1 rounds: .* Give more",
        ),
        ({"splitting": Splitting(method="source")}, r'splitting method "source": .* has no splits'),
        ({"splitting": Splitting(like="before")}, r"like is before, but Beam pipelines do not read an earlier"),
        ({"seed": -1}, r"seed is -1, expected at least 0"),
        ({"options": Options(token_columns={"visual": "words"})}, r"Beam pipelines do not read words"),
        ({"options": Options(interactions="clicks.csv")}, r"has no file clicks\.csv\. It has: "),
    ],
)
def test_what_cannot_be_converted_is_refused(logs, tmp_path, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        settings = ConversionSettings(**{name: value for name, value in arguments.items() if name != "sizes"})
        sizes = arguments.get("sizes", PipelineSizes())
        convert_with_beam(str(logs), str(tmp_path / "videos"), settings, sizes=sizes)
    assert not (tmp_path / "videos").exists()


def test_a_runner_that_would_skip_checks_is_refused(logs, tmp_path):
    with pytest.raises(InvalidInputError, match=r"runner on Dask computes only what the last step .* needs"):
        convert_with_beam(str(logs), str(tmp_path / "videos"), pipeline_options=["--runner=x.y.DaskRunner"])
    assert not (tmp_path / "videos").exists()


@pytest.mark.parametrize("name", ["[lr=0.1]", "a*b", "\\[x\\]"])
def test_files_of_a_folder_whose_name_is_a_pattern_are_listed(name, logs):
    from tf_metammf.records.beam.raw_parts import list_files

    folder = logs.rename(logs.with_name(name))
    (folder / "folder").mkdir()
    found = list_files(str(folder))
    assert sorted(found) == sorted(path.name for path in folder.iterdir() if path.is_file())
    assert found["interactions.csv"].bytes == (folder / "interactions.csv").stat().st_size
