"""The stages of a night. Each does nothing where its result is there already, so a night that was killed can go on."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.export_options import ExportOptions
from tf_metammf.export.nightly.drift import data_changes, feature_drift
from tf_metammf.export.nightly.gate import judge
from tf_metammf.export.nightly.nights import PUBLISHED, REPORT, Night, Nights
from tf_metammf.export.nightly.served_ranking import HeldOut, ServedRanking, overlap, served_rankings
from tf_metammf.export.nightly.settings import NightlySettings
from tf_metammf.export.reports import has_report, read_report
from tf_metammf.export.retention import delete_old_versions
from tf_metammf.export.saved_model import export_run
from tf_metammf.export.versions import finished_versions, newest_version, reserved_version
from tf_metammf.records.conversion.conversion import convert_as
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.staging import sync
from tf_metammf.trainer.runs.run_directory import open_run_directory
from tf_metammf.trainer.training import train


def live_version(served: Path) -> Path | None:
    """The version that a server of this folder has; None where there is none yet."""
    return newest_version(served) if served.is_dir() and finished_versions(served) else None


def convert_logs(night: Night, settings: NightlySettings, *, previous: Night | None) -> None:
    """Makes the record set, with the interactions of the previous night in the splits that they had there."""
    if night.records.is_dir():
        return
    like = None if previous is None else previous.records
    splitting = replace(settings.conversion.splitting, like=like)
    convert_as(replace(settings.conversion, splitting=splitting), settings.source, Path(settings.path), night.records)


def is_unchanged(night: Night, settings: NightlySettings, *, previous: Night | None) -> bool:
    """Whether data and settings are those of the previous night, so that there is nothing to train."""
    if previous is None or previous.read("state")["settings"] != settings.digest:
        return False
    now, before = open_record_set(night.records).metadata, open_record_set(previous.records).metadata
    return now.checksum == before.checksum


@dataclass(frozen=True)
class Start:
    """A run to begin from.

    Attributes:
        run: The run directory.
        records: Where its record set is now; None for where it was in training.
    """

    run: Path
    records: Path | None = None


def train_model(night: Night, settings: NightlySettings, *, start: Start | None, verbose: int | None) -> None:
    """Trains, beginning from another run where one is given and the model has weights to begin from."""
    configuration = settings.configuration
    if start is not None and not configuration.model.is_baseline:
        records = None if start.records is None else str(start.records.resolve())
        begun = replace(configuration.training, init_from=str(start.run.resolve()), init_from_records=records)
        configuration = replace(configuration, training=begun)
    train(open_record_set(night.records), night.run, configuration, verbose=verbose)


def export_model(night: Night) -> None:
    """Exports the run into the folder of the night, where no server looks."""
    if finished_versions(night.export):
        return
    options = ExportOptions(version=night.number, reports={REPORT: night.stamp})
    export_run(open_run_directory(night.run), night.export, records=night.records, options=options)


def measure_and_judge(night: Night, settings: NightlySettings, *, live: Path | None, previous: Night | None) -> None:
    """Measures the new and the live version on the same users, and writes the verdict and what changed."""
    if night.has("judgement"):
        return
    gate, record_set = settings.gate, open_record_set(night.records)
    if not record_set.metadata.splits[gate.split].interactions:
        raise InvalidInputError(f"{night.records}: the split {gate.split} of the gate is empty. Choose another one.")
    held_out = HeldOut.of(record_set, gate.split, users=gate.users)
    with Client(night.export) as new:
        if live is None:
            (ranking,) = served_rankings([new], held_out, k=gate.k)
            of_live = None
        else:
            with Client(live) as served:
                of_live, ranking = served_rankings([served, new], held_out, k=gate.k)
    verdict = judge(ranking, of_live, gate)
    before = None if previous is None else open_record_set(previous.records)
    night.write(
        "judgement",
        {
            "verdict": verdict.as_json(),
            "split": gate.split,
            "users": len(held_out.users),
            "new": ranking.as_json(),
            "live": None if of_live is None else of_live.as_json(),
            "changes": _changes(ranking, of_live),
            "data": data_changes(before, record_set),
            "features": {} if before is None else feature_drift(before, record_set),
        },
    )


def publish(night: Night, served: Path, *, keep: int) -> Path:
    """Copies the export to the served folder as its next version, and deletes the oldest ones.

    Returns:
        The version.
    """
    version = _published(night, served)
    if version is None:
        export = newest_version(night.export)
        with reserved_version(served) as version:
            # The same name in every attempt, so that one which was killed leaves nothing behind.
            aside = served / f".night-{night.folder.name}.partial"
            shutil.rmtree(aside, ignore_errors=True)
            shutil.copytree(export, aside)
            for path in [*aside.rglob("*"), aside]:
                sync(path)
            aside.rename(version)
            sync(served)
    delete_old_versions(served, keep=keep, written=version)
    return version


def _published(night: Night, served: Path) -> Path | None:
    """The version that the night has published already."""
    versions = finished_versions(served) if served.is_dir() else {}
    for number in sorted(versions, reverse=True):
        if has_report(versions[number], REPORT) and read_report(versions[number], REPORT) == night.stamp:
            return versions[number]
    return None


def tidy(nights: Nights, served: Path, *, keep: int) -> None:
    """Deletes what no later night needs: exports, checkpoints, and record sets and runs of old nights.

    The record set of the last night is kept for its splits, and the runs of the last published nights are kept to
    begin from, as many as there are versions to roll back to.
    """
    over = [night for night in nights.all if night.outcome is not None]
    published = [night for night in over if night.outcome == PUBLISHED][-keep:]
    live = live_version(served)
    needed = {night.number for night in [*published, *over[-1:]]}
    if live is not None and (of_live := nights.of_version(live)) is not None:
        needed.add(of_live.number)
    for night in over:
        _remove(night.export)
        _remove(night.run / "checkpoints")
        if night.number not in needed:
            _remove(night.run)
            _remove(night.records)


def _remove(folder: Path) -> None:
    """Deletes a folder, which is renamed first so that nothing takes a half-deleted one for a whole one."""
    if folder.is_dir():
        aside = folder.with_name(f".{folder.name}.partial-deleted")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        shutil.rmtree(aside)


def _changes(new: ServedRanking, live: ServedRanking | None) -> dict[str, Any]:
    """How the recommendations differ."""
    if live is None:
        return {}
    return {
        "overlap": overlap(new, live),
        "items_recommended_first_now": len(new.recommended - live.recommended),
        "items_recommended_no_more": len(live.recommended - new.recommended),
    }
