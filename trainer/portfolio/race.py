"""A race of settings on validation by successive halving, and a run directory of the winner."""

import logging
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, MetaMMFError, TrainingDivergedError
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.portfolio.candidates import Candidate, candidates, preset_candidate
from tf_metammf.trainer.portfolio.decision import is_near, metric_of_users, preferences
from tf_metammf.trainer.portfolio.race_record import Entry, RaceRecord, open_record
from tf_metammf.trainer.rankings import final_rankings, validation_ranking
from tf_metammf.trainer.runs.references import write_references
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_lock import locked
from tf_metammf.trainer.training import train

logger = logging.getLogger(__name__)

FIRST_EPOCHS = 10
"""Epochs after which trained candidates are compared for the first time, if they are enough steps."""

FIRST_STEPS = 300
"""Steps that this takes at least: on small data ten epochs are too few to learn anything from."""

SURVIVORS = 2
"""Trained candidates that are trained to their end."""

BUDGET_SECONDS = 3600.0
"""Seconds within which everything has to fit that a winner does not need."""

SLOWER = 4.0
"""How many times as long as the slowest so far a candidate may take that was not begun."""

CHEAP = 0.1
"""Share of the budget within which everything is trained to its end: some models begin slowly and end as the best."""

PROBED = 0.1
"""Share of the budget: a candidate that may take more is trained for one epoch first, to see whether it fits."""


def race(
    record_set: RecordSet,
    folder: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    budget: float = BUDGET_SECONDS,
    resume: str = "auto",
    verbose: int | None = None,
    told: Callable[[str], None] = logger.info,
) -> RunDirectory:
    """Trains what is best on validation, out of settings that are known to be good somewhere.

    1. What needs no training is solved: popularity, neighbours by interactions and by content, iALS, EASE.
    2. Trained candidates go through :data:`FIRST_EPOCHS` epochs, or as many as have :data:`FIRST_STEPS` steps if that
       is more; the best :data:`SURVIVORS` are trained to their end, best first, and so is each that is behind the last
       of them by at most one standard error of the difference over users.
    3. Each is calibrated (:mod:`tf_metammf.trainer.calibration`) before it is compared.
    4. The best is taken, or what is hardly worse and has an advantage over it
       (:func:`tf_metammf.trainer.portfolio.decision.preferences`): it serves new items, or takes no training.

    Only validation is looked at; the test split is ranked once, by the winner. Every measurement and decision is kept
    in ``race.json``, so a race that was stopped resumes where it was; the winner's folder becomes the run directory.

    Args:
        record_set: The data.
        folder: The run directory to create, or whose race to resume.
        overrides: Values of the sections ``training`` and ``evaluation``, for all candidates.
        budget: Seconds. A candidate is not begun where what was measured so far says that it would not fit, nor gone on
            with where its own first epoch says so, and all but the first of those that are trained to their end get as
            many epochs as fit. What ran before a race was resumed counts.
        resume: ``"auto"`` or ``"force"`` to resume; ``"never"`` to refuse an existing folder.
        verbose: As :func:`tf_metammf.trainer.training.train` takes it.
        told: Told what is being done.

    Returns:
        The run directory.

    Raises:
        InvalidInputError: The folder is something else, data or overrides are not those of the race, or no candidate
            can be trained.
    """
    run = RunDirectory(Path(folder))
    entrants = candidates(record_set.metadata, overrides or {})
    record = open_record(run.folder, record_set, entrants, overrides=overrides or {}, resume=resume)
    if run.configuration_file.is_file():
        run.open_records(record_set.folder)
        return run
    with locked(run.folder):
        racing = _of_record(record, entrants, record_set, overrides or {})
        race = _Race(record_set, run.folder, record, racing, verbose=verbose, told=told)
        try:
            if record.winner is None:
                race.run(budget)
            race.finish()
        except MetaMMFError:
            if not any(entry.epochs for entry in record.entries):
                shutil.rmtree(run.folder)  # nothing was trained that could be resumed
            raise
    return run


def _of_record(
    record: RaceRecord, entrants: list[Candidate], record_set: RecordSet, overrides: Mapping[str, Any]
) -> dict[str, Candidate]:
    """The candidates that the race was begun with, which in an earlier version may have been others."""
    known = {each.name: each for each in entrants}
    names = [entry.name for entry in record.entries]
    return {
        name: known[name] if name in known else preset_candidate(name, record_set.metadata, overrides) for name in names
    }


class _Race:
    """What is left of a race."""

    def __init__(
        self,
        record_set: RecordSet,
        folder: Path,
        record: RaceRecord,
        entrants: Mapping[str, Candidate],
        *,
        verbose: int | None,
        told: Callable[[str], None],
    ) -> None:
        self._record_set, self._folder, self._record, self._entrants = record_set, folder, record, entrants
        self._verbose, self._told = verbose, told

    def run(self, budget: float) -> None:
        """Goes on until there is a winner."""
        trained = [name for name, candidate in self._entrants.items() if candidate.is_trained]
        for name in self._entrants:
            self._begin(name, budget)
        if self._record.finalists is None:
            self._record.finalists = self._finalists(self._ranked(trained))
            self._record.write(self._folder)
        for place, name in enumerate(self._record.finalists):
            most = self._entrants[name].configuration.training.epochs
            self._advance(name, epochs=min(most, self._fitting_epochs(name, budget)) if place else most)
        for name in self._ranked(trained):
            entry, most = self._record.entry(name), self._entrants[name].configuration.training.epochs
            if name not in self._record.finalists and entry.epochs <= self._first_epochs(name) < most:
                if self._fitting_epochs(name, CHEAP * budget) >= most:
                    self._advance(name, epochs=most)
                else:
                    self._leave(entry, f"behind after {entry.trained or entry.epochs} epochs")
        self._choose()

    def _begin(self, name: str, budget: float) -> None:
        """Trains or solves a candidate until it is compared for the first time, or leaves it out."""
        candidate, entry, epochs = self._entrants[name], self._record.entry(name), self._first_epochs(name)
        if entry.result is not None or (entry.value is not None and not 0 < entry.epochs < epochs):
            return
        others = [other for other, each in self._entrants.items() if each.is_trained and other != name]
        slowest = max(self._record.entry(other).seconds for other in others) if candidate.is_trained and others else 0.0
        if reason := candidate.left_out(self._record_set.metadata):
            self._leave(entry, reason)
        elif slowest and not entry.epochs and self._seconds + SLOWER * slowest > budget:
            self._leave(entry, "not begun within the budget")
        else:
            if SLOWER * slowest > PROBED * budget:
                self._advance(name, epochs=1)
                # An epoch that takes as long as all of another candidate's is slow by more than its first step.
                if entry.seconds > slowest and self._seconds + (epochs - 1) * entry.seconds > budget:
                    self._leave(entry, f"{epochs} epochs do not fit into the budget, one took {entry.seconds:.0f} s")
            if entry.result is None:
                self._advance(name, epochs=epochs)

    def _first_epochs(self, name: str) -> int:
        """Epochs after which a candidate is compared for the first time; all of them where nothing is trained."""
        candidate = self._entrants[name]
        settings = candidate.configuration.training
        if not candidate.is_trained:
            return settings.epochs
        steps = max(self._record_set.metadata.splits["train"].interactions / settings.batch_size, 1)
        return min(settings.epochs, max(FIRST_EPOCHS, math.ceil(FIRST_STEPS / steps)))

    def _finalists(self, ranked: list[str]) -> list[str]:
        """Who is trained to the end, of those that are left, best first."""
        chosen = ranked[:SURVIVORS]
        if len(chosen) < len(ranked):
            last = self._of_users(chosen[-1])
            chosen = chosen + [name for name in ranked[SURVIVORS:] if is_near(last, self._of_users(name))]
        return chosen

    def _fitting_epochs(self, name: str, budget: float) -> int:
        """How many epochs in all a candidate can have within the budget, by what its epochs have taken."""
        entry = self._record.entry(name)
        of_one = entry.seconds / (entry.trained or entry.epochs)
        return entry.epochs + int((budget - self._seconds) / max(of_one, 1e-9))

    def finish(self) -> None:
        """Ranks test by the winner, and makes its folder the run directory."""
        name = self._record.winner
        assert name is not None
        inner = self._run(name)
        if inner.weights_file.is_file():  # not yet moved
            model, data = load_model(inner, self._record_set.folder)
            plan = TrainingPlan.of(inner.configuration, self._record_set)
            rankings = final_rankings(plan, data, splits=("validation", "test"))
            write_references(inner, data.item_popularity, rankings, validation_ranking(plan, data))
            inner.write("metrics", {split: ranking.evaluate_model(model) for split, ranking in rankings.items()})
        if inner.folder.is_dir():
            # The weights first: without them nothing is ranked again where this is interrupted. The configuration
            # last: until it is there, this is a race and not yet a run.
            order = {inner.weights_file: 0, inner.configuration_file: 2}
            for path in sorted(inner.folder.iterdir(), key=lambda path: order.get(path, 1)):
                path.replace(self._folder / path.name)
        shutil.rmtree(self._folder / "race", ignore_errors=True)

    def _advance(self, name: str, *, epochs: int) -> None:
        """Trains a candidate for so many epochs in all, and measures it."""
        candidate, entry = self._entrants[name], self._record.entry(name)
        if entry.epochs >= epochs and entry.value is not None:
            return
        self._told(f"{name}: {f'up to {epochs} epochs' if candidate.is_trained else 'solved'}")
        configuration = candidate.configuration
        settings = replace(configuration, training=replace(configuration.training, epochs=epochs))
        keras.backend.clear_session()
        try:
            run = train(
                self._record_set,
                self._run(name).folder,
                settings,
                resume="force",
                splits=("validation",),
                group=self._folder,
                verbose=self._verbose,
            )
        except (InvalidInputError, TrainingDivergedError) as error:
            self._leave(entry, str(error))
            return
        metrics = run.read("metrics")["validation"]
        entry.value, entry.cold_recall = metrics[self._metric], metrics.get(self._cold_recall)
        entry.seconds = run.seconds
        if candidate.is_trained:
            entry.epochs, entry.trained = epochs, run.read("state").get("epoch", epochs)
        self._record.write(self._folder)

    def _choose(self) -> None:
        """Decides by the metric of single users."""
        names = [entry.name for entry in self._record.entries if entry.value is not None and entry.result is None]
        if not names:
            reasons = "; ".join(f"{entry.name}: {entry.result}" for entry in self._record.entries)
            raise InvalidInputError(f"{self._record_set.folder}: nothing can be trained on it. {reasons}")
        best = self._ranked(names)[0]
        winner, reason = best, f"best {self._metric} on validation"
        of_best = self._of_users(best)
        for preference in preferences(self._entrants[best], users=len(of_best)):
            suiting = [name for name in names if preference.suits(self._entrants[name], self._record.entry(name))]
            others = self._ranked(suiting)
            if winner == best and others and is_near(of_best, self._of_users(others[0]), errors=preference.errors):
                winner, reason = others[0], preference.reason(best)
        for name in names:
            self._record.entry(name).result = "winner" if name == winner else "behind"
        self._record.reason = reason
        self._record.write(self._folder)

    def _of_users(self, name: str) -> NDArray[np.float64]:
        return metric_of_users(self._run(name), self._record_set, MetricName.parse(self._record.monitor))

    def _leave(self, entry: Entry, reason: str) -> None:
        entry.result = reason
        self._record.write(self._folder)

    def _ranked(self, names: list[str]) -> list[str]:
        """Those still in the race, best first."""
        entries = [self._record.entry(name) for name in names]
        there = [entry for entry in entries if entry.value is not None and entry.result is None]
        return [entry.name for entry in sorted(there, key=lambda entry: -(entry.value or 0))]

    def _run(self, name: str) -> RunDirectory:
        return RunDirectory(self._folder / "race" / name)

    @property
    def _seconds(self) -> float:
        return sum(entry.seconds for entry in self._record.entries)

    @property
    def _metric(self) -> str:
        return self._record.monitor

    @property
    def _cold_recall(self) -> str:
        return f"cold/recall@{MetricName.parse(self._record.monitor).k}"
