"""Nights: what each trains, compares, publishes and leaves alone, and what becomes of one that is killed."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from preloaded_process import PreloadedProcess

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export import retention
from tf_metammf.export.manifest import verify
from tf_metammf.export.nightly import nightly, stages
from tf_metammf.export.nightly.nights import Nights
from tf_metammf.export.nightly.settings import GateSettings, NightlySettings
from tf_metammf.export.rollback import roll_back
from tf_metammf.export.versions import finished_versions
from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.runs.leakage import leakage_of
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_lock import locked
from tf_metammf.trainer.runs.trained_interactions import split_pairs


def pairs(folder: Path, split: str) -> set[tuple[str, str]]:
    found = split_pairs(open_record_set(folder), split)
    return {(found.user_ids[user], found.item_ids[item]) for user, item in zip(found.user, found.item, strict=True)}


def test_the_first_night_publishes_a_version_measured_as_full_ranking_measures_its_run(first):
    place, report = first
    assert (report["night"], report["outcome"], report["version"], report["live_before"]) == (1, "published", "1", None)
    assert sorted(finished_versions(place.served)) == [1]
    assert verify(place.served / "1") == []
    metrics = RunDirectory(place.nights / "0001" / "run").read("metrics")["test"]
    for name in ("ndcg@5", "recall@5"):
        assert report["new"][name] == pytest.approx(metrics[name], rel=1e-5)
    assert report["new"]["coverage"] == pytest.approx(metrics["coverage@5"], rel=1e-5)
    assert json.loads((place.nights / "0001" / "report.json").read_text()) == report
    page = (place.nights / "0001" / "report.html").read_text()
    assert "Night 1: published as version 1" in page and f"{metrics['ndcg@5']:.4g}" in page


@pytest.mark.long
def test_nights_on_growing_logs_are_published_rejected_and_rolled_back(first, tmp_path, monkeypatch):
    """One history, because each night begins from the one before."""
    place = replace(first[0], folder=Path(shutil.copytree(first[0].folder, tmp_path / "place")))
    place = replace(place, settings=replace(place.settings, path=place.folder / "logs"))

    # The same logs: nothing to do.
    report = place.run()
    assert (report["night"], report["outcome"], report["version"]) == (2, "unchanged", None)
    assert not (place.nights / "0002" / "run").exists()
    assert sorted(finished_versions(place.served)) == [1]

    # A day more, killed after every step of the night: the same as if it had not been.
    place.grow(days=3)
    killed = []
    for module, name in [
        *((nightly, name) for name in ("convert_logs", "train_model", "export_model", "measure_and_judge")),
        (stages.shutil, "copytree"),
        (stages, "delete_old_versions"),
        (nightly, "publish"),
        (nightly, "write_report"),
    ]:
        original = getattr(module, name)

        def then_killed(*words, name=name, original=original, **options):
            original(*words, **options)
            killed.append(name)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module, name, then_killed)
            place.run()
    assert len(killed) == 8
    report = place.run()
    assert (report["night"], report["outcome"], report["live_before"]) == (3, "published", "1")
    live = place.served / report["version"]
    assert sorted(finished_versions(place.served)) == [1, int(live.name)]
    assert verify(live) == []
    assert not list(place.folder.rglob(".*partial*"))
    now, before = place.nights / "0003" / "records", place.nights / "0001" / "records"
    for split in ("train", "validation", "test"):
        assert pairs(before, split) < pairs(now, split)
    run = RunDirectory(place.nights / "0003" / "run")
    assert run.configuration.training.init_from == str((place.nights / "0001" / "run").resolve())
    assert not leakage_of(run).is_any and not leakage_of(run).unknown
    assert report["data"]["users"] == {"now": 32, "added": 1, "removed": 0}
    assert report["data"]["interactions"]["train"] == {
        "now": len(pairs(now, "train")),
        "before": len(pairs(before, "train")),
    }
    assert report["new"]["ndcg@5"] == pytest.approx(run.read("metrics")["test"]["ndcg@5"], rel=1e-5)
    assert report["live"]["known_users"] <= report["new"]["known_users"] == 1
    assert 0 < report["changes"]["overlap"] <= 1
    assert report["features"]["visual"]["present"] == 1

    # A gate that nothing passes: the live version stays, and the night is over.
    place.grow(days=4)
    impossible = replace(place.settings.gate, latency_ms=1e-9)
    report = place.run(gate=impossible)
    assert (report["outcome"], report["version"]) == ("rejected", None)
    assert [check.partition(":")[0] for check in report["verdict"]["checks"]] == [
        "FAILED",
        "passed",
        "passed",
        "passed",
    ]
    assert sorted(finished_versions(place.served)) == [1, int(live.name)]
    assert not (place.nights / "0004" / "export").exists()

    # After a rollback, the next night begins from the run of the version that is live then.
    assert roll_back(place.served).live.name == "1"
    begun = []
    monkeypatch.setattr(nightly, "train_model", lambda night, settings, *, start, verbose: begun.append(start.run))
    for name in ("export_model", "measure_and_judge"):
        monkeypatch.setattr(nightly, name, lambda *_, **__: None)
    monkeypatch.setattr(nightly.Night, "has", lambda self, name: False)
    place.grow(days=5)
    with pytest.raises(InvalidInputError, match=r"judgement\.json: cannot be read"):
        place.run()
    assert begun == [place.nights / "0001" / "run"]


@pytest.mark.long
def test_a_night_killed_by_the_system_ends_as_one_that_was_not(first, tmp_path):
    uninterrupted, expected = first
    settings, configuration = uninterrupted.settings, tmp_path / "small.yaml"
    configuration.write_text(settings.configuration.to_yaml())
    words = ["nightly", "--nights", tmp_path / "nights", "--output", tmp_path / "served", "--source", "tabular"]
    words += ["--input", uninterrupted.settings.path, "--config", configuration, "--gate.k", settings.gate.k, "--quiet"]
    shutil.copytree(settings.path, tmp_path / "logs")
    words[words.index("--input") + 1] = tmp_path / "logs"
    (tmp_path / "logs" / "interactions.csv").write_text(first_days(settings.path / "interactions.csv"))
    night, killed = tmp_path / "nights" / "0001", 0
    for made in ("run/configuration.yaml", "judgement.json"):
        process = PreloadedProcess(words)
        while not (night / made).exists() and process.poll() is None:
            time.sleep(0.01)
        killed += process.poll() is None
        process.kill()
    assert killed >= 1
    process = PreloadedProcess(words, err=tmp_path / "err")
    assert process.wait() == 0, (tmp_path / "err").read_text()
    report = json.loads((night / "report.json").read_text())
    assert list(finished_versions(tmp_path / "served")) == [int(report["version"])]
    assert verify(tmp_path / "served" / report["version"]) == []
    for name in ("ndcg@5", "recall@5", "coverage"):
        assert report["new"][name] == expected["new"][name]
    assert not list(tmp_path.rglob(".*partial*"))


def first_days(log: Path) -> str:
    """The log of the first two days; the place may have grown since."""
    head, *lines = log.read_text().splitlines()
    kept = [line for line in lines if int(line.rpartition(",")[2]) < 1_700_000_000 + 2 * 86_400]
    return "\n".join([head, *kept]) + "\n"


@pytest.mark.long
def test_one_process_works_at_a_time_and_a_begun_night_keeps_its_settings(first, tmp_path):
    place, _ = first
    nights = Nights(tmp_path / "nights")
    nights.folder.mkdir()
    with locked(nights.folder), pytest.raises(InvalidInputError, match="another process works on a night here"):
        nightly.run_night(nights.folder, place.served, place.settings)
    nights.begin(settings="other", live=None)
    with pytest.raises(InvalidInputError, match=r"0001: this night is not over and was begun with another source"):
        nightly.run_night(nights.folder, place.served, place.settings)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"k": 0}, "gate.k is 0, expected at least 1"),
        ({"worse": 1.0}, "gate.worse is 1.0, expected a share"),
        ({"coverage": 2.0}, "gate.coverage is 2.0"),
        ({"latency": 0.0}, "gate.latency is 0.0"),
    ],
)
def test_bounds_of_the_gate(gate, message):
    with pytest.raises(InvalidInputError, match=message):
        GateSettings(**gate)


def test_settings_that_nights_set_themselves_are_refused(first):
    settings = first[0].settings
    with pytest.raises(InvalidInputError, match="keep is 1, expected at least 2"):
        replace(settings, keep=1)
    like = replace(settings.conversion, splitting=replace(settings.conversion.splitting, like="x"))
    with pytest.raises(InvalidInputError, match=r"splitting\.like is set by each night"):
        replace(settings, conversion=like)
    begun = replace(settings.configuration, training=replace(settings.configuration.training, init_from="x"))
    with pytest.raises(InvalidInputError, match=r"training\.init_from is set by each night"):
        NightlySettings("tabular", settings.path, configuration=begun)


def test_the_command_prints_the_report_and_exits_with_1_for_a_rejected_version(first, tmp_path, monkeypatch, capsys):
    _, report = first
    found = []
    monkeypatch.setattr(
        nightly, "run_night", lambda nights, served, settings, **_: found.append(settings) or {**report, **changed}
    )
    words = ["nightly", "--nights", str(tmp_path), "--output", "served", "--source", "tabular", "--input", "logs"]
    words += ["--config", "mf-softmax", "--gate.worse", "0.05", "--filtering.k_core", "2", "--keep", "3"]
    changed = {}
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert f"night 1: published {Path('served') / '1'}" in printed and "ndcg@5" in printed
    (settings,) = found
    assert (settings.gate.worse, settings.conversion.filtering.k_core, settings.keep) == (0.05, 2, 3)
    assert yaml.safe_load(settings.configuration.to_yaml())["model"]["fusion"]["name"] == "none"
    changed = {"outcome": "rejected", "version": None}
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["outcome"] == "rejected"


def test_versions_are_deleted_beside_the_rolled_back_ones_below_them(tmp_path):
    for number in (1, 2, 3, 4):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "saved_model.pb").touch()
    roll_back(tmp_path, version=3)
    roll_back(tmp_path)
    for number in (5, 6):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "saved_model.pb").touch()
    retention.delete_old_versions(tmp_path, keep=3)
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith("exported")) == [
        ".3.rolled-back",
        ".4.rolled-back",
        "2",
        "5",
        "6",
    ]
    retention.delete_old_versions(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith("exported")) == ["5", "6"]
