"""One night: new logs in, a model trained from the live one, a gate, and a new version out."""

import logging
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.nightly.night_report import write_report
from tf_metammf.export.nightly.nights import PUBLISHED, REJECTED, UNCHANGED, Night, Nights
from tf_metammf.export.nightly.settings import NightlySettings
from tf_metammf.export.nightly.stages import (
    Start,
    convert_logs,
    export_model,
    is_unchanged,
    live_version,
    measure_and_judge,
    publish,
    tidy,
    train_model,
)

logger = logging.getLogger(__name__)


def run_night(
    folder: str | Path, served: str | Path, settings: NightlySettings, *, verbose: int | None = None
) -> dict[str, Any]:
    """Converts the logs, trains, evaluates and publishes; resumes a night that was killed.

    1. The raw data become a record set, in which every interaction of the last night's keeps its split.
       If nothing is new, the night ends here.
    2. A model is trained that begins from the run behind the live version.
    3. It is exported where no server looks.
    4. Both versions recommend to the same users of the same split, and the gate compares them.
    5. If the gate lets it, the export becomes the next version of the served folder, and the oldest ones go.

    Args:
        folder: The folder of all nights.
        served: The folder of all versions, which a server watches.
        settings: What the night does.
        verbose: As of :func:`tf_metammf.trainer.training.train`.

    Returns:
        The report, which is also in ``report.json`` of the night.

    Raises:
        InvalidInputError: Another process works in the folder; the data, a setting or the run to begin from is not
            acceptable; or a night that is not over was begun with other settings.
    """
    nights, served = Nights(Path(folder)), Path(served)
    with nights.held():
        tidy(nights, served, keep=settings.keep)
        night = _night_to_do(nights, served, settings)
        over = [each for each in nights.all if each.outcome is not None]
        outcome, version = _do(night, nights, served, settings, previous=over[-1] if over else None, verbose=verbose)
        report = write_report(night, outcome=outcome, version=version)
        night.note(outcome=outcome)  # last: from here on the night is over
        tidy(nights, served, keep=settings.keep)
        return report


def _night_to_do(nights: Nights, served: Path, settings: NightlySettings) -> Night:
    """The night that is not over, or the next one."""
    last = nights.all[-1] if nights.all else None
    if last is None or last.outcome is not None:
        live = live_version(served)
        return nights.begin(settings=settings.digest, live=None if live is None else live.name)
    if last.read("state")["settings"] != settings.digest:
        raise InvalidInputError(
            f"{last.folder}: this night is not over and was begun with another source, conversion or configuration. "
            "Give the same options again, or remove the folder to begin the night again."
        )
    logger.info("%s: resuming this night", last.folder)
    return last


def _do(
    night: Night,
    nights: Nights,
    served: Path,
    settings: NightlySettings,
    *,
    previous: Night | None,
    verbose: int | None,
) -> tuple[str, Path | None]:
    """How the night ends, and the version that it published."""
    logger.info("%s: converting the logs", night.folder)
    convert_logs(night, settings, previous=previous)
    if is_unchanged(night, settings, previous=previous):
        return UNCHANGED, None
    if not night.has("judgement"):
        number = night.read("state")["live"]
        live = None if number is None else served / number
        if live is not None and not live.is_dir():
            raise InvalidInputError(
                f"{live}: was live when {night.folder} began, and is gone. Remove the folder of the night to begin it "
                "again."
            )
        logger.info("%s: training", night.folder)
        train_model(night, settings, start=_start(nights, live, settings), verbose=verbose)
        logger.info("%s: exporting and comparing with the live version", night.folder)
        export_model(night)
        measure_and_judge(night, settings, live=live, previous=previous)
    if not night.read("judgement")["verdict"]["passes"]:
        return REJECTED, None
    return PUBLISHED, publish(night, served, keep=settings.keep)


def _start(nights: Nights, live: Path | None, settings: NightlySettings) -> Start | None:
    """The run behind the live version; the one that was given where no night made that version."""
    night = None if live is None else nights.of_version(live)
    if night is not None:
        return Start(night.run, night.records)
    return None if settings.init_from is None else Start(Path(settings.init_from))
