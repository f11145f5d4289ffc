"""The race of presets that ``tf-metammf train`` is without options: when there is one, and what it prints."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tf_metammf.commands.part_options import AUTO
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import make_console, print_table
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.portfolio.candidates import Candidate, candidates
from tf_metammf.trainer.portfolio.race import BUDGET_SECONDS, race
from tf_metammf.trainer.portfolio.race_record import RACE_FILE, RaceRecord
from tf_metammf.trainer.runs.run_directory import RunDirectory

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def races(config: Sequence[Any] | None, configuration: Configuration, run: RunDirectory) -> bool:
    """Whether presets are raced: with ``--config auto``, or where nothing is chosen.

    A run that is there and was not raced is resumed as it was begun.
    """
    chosen = [str(file) for file in config or [] if file is not None]
    if AUTO in chosen:
        if chosen != [AUTO]:
            raise InvalidInputError("--config is given auto and another configuration. Give one of them.")
        return True
    is_plain_run = run.configuration_file.is_file() and not (run.folder / RACE_FILE).is_file()
    return not chosen and configuration == Configuration() and not is_plain_run


def run_race(
    record_set: RecordSet,
    folder: Path,
    configuration: Configuration,
    *,
    budget: str | None,
    resume: str,
    verbose: int | None,
) -> RunDirectory:
    """Races presets, and prints the table of the race, what was taken and why.

    Raises:
        InvalidInputError: The budget is no time, or a setting is given that the race chooses.
    """
    overrides = _overrides(configuration)
    raced = candidates(record_set.metadata, overrides)
    run = race(
        record_set,
        folder,
        overrides=overrides,
        budget=BUDGET_SECONDS if budget is None else _seconds(budget),
        resume=resume,
        verbose=verbose,
        told=(lambda line: None) if verbose == 0 else make_console().print,
    )
    record = RaceRecord.read(run.folder)
    if verbose != 0:
        _print_entries(record)
    for line in _verdict(run.folder, record, {each.name: each for each in raced}):
        print(line)
    return run


def _verdict(run: Path, record: RaceRecord, presets: Mapping[str, Candidate]) -> Iterator[str]:
    """What was taken and why, and what it cannot do or how to repeat it, in two lines."""
    winner = record.entry(str(record.winner))
    yield f"taken: {winner.name}, {record.reason} ({winner.value:.4f})"
    serving = [entry for entry in record.entries if presets[entry.name].serves_newcomers and entry.value is not None]
    if presets[winner.name].serves_newcomers or not serving:
        yield f"{winner.name} alone, on other data or with other settings: tf-metammf train --from {run}"
        return
    other = max(serving, key=lambda entry: entry.value or 0)
    yield f"it recommends no items that come later; of those that do, {other.name} was the best ({other.value:.4f})"


def _overrides(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """The values that are not the defaults, by section."""
    given, defaults = asdict(configuration), asdict(Configuration())
    found = {
        section: {name: value for name, value in values.items() if value != defaults[section].get(name)}
        for section, values in given.items()
    }
    return {section: values for section, values in found.items() if values}


def _seconds(budget: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", budget.strip())
    if match is None:
        raise InvalidInputError(f"--budget is {budget}, expected a time such as 90s, 10m or 1h.")
    return float(match[1]) * _UNITS[match[2]]


def _print_entries(record: RaceRecord) -> None:
    from rich.table import Table

    table = Table(title="race on validation", title_justify="left")
    table.add_column("preset", no_wrap=True)
    for name in ("epochs", record.monitor, "cold recall", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("result")
    for entry in sorted(record.entries, key=lambda entry: -(entry.value or -1)):
        table.add_row(
            entry.name,
            str(entry.trained or entry.epochs or ""),
            *("" if value is None else f"{value:.4f}" for value in (entry.value, entry.cold_recall)),
            f"{entry.seconds:.0f}",
            entry.result or "",
        )
    print_table(table)
