"""Recommendations for many users in one file: those of single requests, resumed after an end at any point."""

import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as parquet
import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export import bulk_recommendations
from tf_metammf.export.bulk_recommendations import BulkRequest, write_recommendations
from tf_metammf.export.client import Client

K = 3


@pytest.fixture(scope="module")
def local(version):
    with Client(version.parent) as client:
        yield client


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(bulk_recommendations, "USERS_OF_A_PART", 4)


@pytest.fixture
def request_(catalogue) -> BulkRequest:
    return BulkRequest([*catalogue.user_ids, "nobody"], K, exclude=catalogue.item_ids[:2])


def rows_of(path):
    """(user, rank, item, score, known) of a file, whatever its format."""
    if path.suffix == ".parquet":
        return [tuple(row.values()) for row in parquet.read_table(path).to_pylist()]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as lines:
            return [
                (row["user_id"], int(row["rank"]), row["item_id"], float(row["score"]), row["known"] == "true")
                for row in csv.DictReader(lines)
            ]
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n")]
    return [
        (each["user_id"], rank, item["item_id"], item["score"], each["known"])
        for each in found
        for rank, item in enumerate(each["items"], 1)
    ]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_file_has_what_single_requests_give(local, request_, tmp_path, suffix):
    target = tmp_path / f"recommendations{suffix}"
    write_recommendations(local, request_, target)
    found = rows_of(target)
    expected = [
        (user, rank, item, score, each.known)
        for user in request_.users
        for each in local.recommend([user], K, exclude=[request_.exclude])
        for rank, (item, score) in enumerate(zip(each.item_ids, each.scores, strict=True), 1)
    ]
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    assert [row[4] for row in found] == [row[4] for row in expected]
    np.testing.assert_allclose([row[3] for row in found], [row[3] for row in expected], rtol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_an_interrupted_command_resumes_after_the_last_part(local, request_, tmp_path, monkeypatch):
    whole, target = tmp_path / "whole.jsonl", tmp_path / "resumed.jsonl"
    write_recommendations(local, request_, whole)
    asked, recommend = [], local.recommend

    def interrupted(users, *arguments, **options):
        asked.append(list(users))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return recommend(users, *arguments, **options)

    monkeypatch.setattr(local, "recommend", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_recommendations(local, request_, target)
    assert not target.exists()
    write_recommendations(local, request_, target)
    assert asked[2] == asked[3] and len(asked) == 1 + -(-len(request_.users) // 4)  # the interrupted part came twice
    assert target.read_bytes() == whole.read_bytes()


def test_parts_of_another_request_are_not_mixed_in(local, request_, tmp_path, monkeypatch):
    target = tmp_path / "recommendations.csv"
    monkeypatch.setattr(bulk_recommendations, "join_parts", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_recommendations(local, request_, target)
    for other in (replace(request_, k=2), replace(request_, users=request_.users[:3]), replace(request_, exclude=())):
        with pytest.raises(InvalidInputError, match="has the parts of another request"):
            write_recommendations(local, other, target)


def test_a_server_that_moves_to_another_version_meanwhile_is_noticed(local, request_, tmp_path, monkeypatch):
    statuses = iter([local.status(), [replace(local.status()[0], version=99)]])
    monkeypatch.setattr(local, "status", lambda: next(statuses))
    with pytest.raises(InvalidInputError, match=r"moved from version 1 to 99"):
        write_recommendations(local, request_, tmp_path / "recommendations.csv")


def test_the_command_recommends_to_all_users_of_an_export(version, catalogue, tmp_path, capsys):
    target = tmp_path / "all.jsonl"
    assert main(["recommend", "--model", str(version), "--all_users", "--k", "2", "--output", str(target)]) == 0
    assert f"recommendations for {len(catalogue.user_ids)} users" in capsys.readouterr().out
    lines = target.read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert [json.loads(line)["user_id"] for line in lines] == catalogue.user_ids


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--all_users"], "--all_users and --users need --output"),
        (["--output", "r.csv"], "--output needs either --all_users or --users FILE"),
        (["--output", "r.csv", "--all_users", "--user", "a"], "leave --user and --history out"),
        (["--output", "r.txt", "--all_users"], "r.txt: expected a name that ends in .parquet, .csv, .jsonl"),
        (["--output", "r.csv", "--users", "no.txt"], "no.txt: cannot be read"),
        (
            ["--output", "r.csv", "--all_users", "--endpoint", "http://127.0.0.1:1"],
            "with --endpoint, give --users FILE",
        ),
        (["--user", "a", "--exclude_items", "x.txt"], "--exclude_items is for --output"),
    ],
)
def test_options_that_do_not_go_together_are_refused(version, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["recommend", "--model", str(version), *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
