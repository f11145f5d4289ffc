"""A comparison on disk: which models it holds, and which of them an asked-for model is.

=========================  ==========================================================
``comparison.yaml``        record set, trials, and the settings of every model that was ever compared
``models/NAME/search/``    the search directory of a model, where there are trials
``models/NAME/seed-N/``    a run directory for every seed
``models/NAME/lists/``     what each of them recommends to the users of the test split
``results.json``, ...      tables and plots, see :mod:`tf_metammf.trainer.comparison.report`
=========================  ==========================================================
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tf_metammf.errors import InvalidInputError, UnknownPartError
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import replace_text, require_absent, staged_directory
from tf_metammf.trainer.comparison.model_names import folder_name
from tf_metammf.trainer.runs.resumption import WATCHING
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_lock import locked
from tf_metammf.trainer.search.search_directory import read_description
from tf_metammf.trainer.search.search_space import SearchSpace

DESCRIPTION = "comparison.yaml"


@dataclass(frozen=True)
class ComparedModel:
    """A model of a comparison, and where its runs are.

    Attributes:
        name: What it is called in tables.
        space: Its settings, and what of them is searched.
        folder: ``models/NAME``, by the name that the same settings had first.
    """

    name: str
    space: SearchSpace
    folder: Path

    def run(self, seed: int) -> RunDirectory:
        """The run directory of a seed."""
        return RunDirectory(self.folder / f"seed-{seed}")

    def lists(self, seed: int) -> Path:
        """Recommended items of the users of the test split, and numbers about the model."""
        return self.folder / "lists" / f"seed-{seed}.npz"


@dataclass(frozen=True)
class Comparison:
    """A comparison on disk.

    Attributes:
        folder: Where it is.
        models: The models, in the order in which they were asked for.
        seeds: The seeds that each is trained with.
        trials: Trials of the search for each; 0 for none.
    """

    folder: Path
    models: tuple[ComparedModel, ...]
    seeds: tuple[int, ...]
    trials: int

    @property
    def unfinished(self) -> list[ComparedModel]:
        """The models that are not trained with every seed."""
        return [model for model in self.models if not all(model.lists(seed).is_file() for seed in self.seeds)]

    @property
    def is_complete(self) -> bool:
        """Whether every model was trained with every seed."""
        return not self.unfinished


def planned_comparison(
    record_set: RecordSet,
    folder: Path,
    models: Mapping[str, SearchSpace],
    *,
    seeds: tuple[int, ...],
    trials: int,
    tuner: str,
) -> Comparison:
    """The comparison that :func:`open_comparison` would open; writes nothing."""
    description = _described(record_set, trials=trials, tuner=tuner)
    if (folder / DESCRIPTION).is_file():
        description = _continued(folder, description)
    elif folder.exists():
        require_absent(folder)
    return _resolved(folder, description, models, seeds=seeds, trials=trials)


def open_comparison(
    record_set: RecordSet,
    folder: Path,
    models: Mapping[str, SearchSpace],
    *,
    seeds: tuple[int, ...],
    trials: int,
    tuner: str,
) -> Comparison:
    """Creates the directory of a comparison, or opens one and adds the models that it does not hold.

    A model is the one of the directory that has the same settings, whatever that was called, watching and, where
    nothing is searched, ``training.seed`` aside. Models that are no longer asked for stay where they are. Several
    processes may do so at once.

    Raises:
        InvalidInputError: The folder is something else, is of other data, trials or tuner, or holds results of other
            settings under the name of a model.
    """
    description = _described(record_set, trials=trials, tuner=tuner)
    if not folder.exists():
        try:
            with staged_directory(folder) as staging:
                _write(staging, description)
        except InvalidInputError:
            if not (folder / DESCRIPTION).is_file():
                raise
    if not (folder / DESCRIPTION).is_file():
        require_absent(folder)
    with locked(folder, option="--output", wait=True):
        description = _continued(folder, description)
        comparison = _resolved(folder, description, models, seeds=seeds, trials=trials)
        _write(folder, description)
    return comparison


def _described(record_set: RecordSet, *, trials: int, tuner: str) -> dict[str, Any]:
    checksum = record_set.metadata.checksum
    return {"checksum of the record set": checksum, "trials": trials, "tuner": tuner, "models": {}}


def _continued(folder: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The description in the folder, if it is one of the same data and trials."""
    description = read_description(folder / DESCRIPTION, _checked)
    compared = ["checksum of the record set", "trials", *(["tuner"] if asked["trials"] else [])]
    differences = [
        f"{name}: {description[name]} in the folder, {asked[name]} now"
        for name in compared
        if description[name] != asked[name]
    ]
    if differences:
        raise InvalidInputError(
            f"{folder}: belongs to another comparison ({'; '.join(differences)}). Choose another --output, or "
            "give the same; only models and --seeds may change."
        )
    return {**description, "tuner": asked["tuner"]}


def _checked(description: dict[str, Any]) -> dict[str, Any]:
    for content in description["models"].values():
        _stored_settings(content, trials=0)
    return {name: description[name] for name in ("checksum of the record set", "trials", "tuner", "models")}


def _resolved(
    folder: Path,
    description: dict[str, Any],
    models: Mapping[str, SearchSpace],
    *,
    seeds: tuple[int, ...],
    trials: int,
) -> Comparison:
    """The models with their folders; those that the description lacks are added to it."""
    known: dict[str, Any] = description["models"]
    settings = {name: _stored_settings(content, trials=trials) for name, content in known.items()}
    found = []
    for name, space in models.items():
        asked = _settings(space, trials=trials)
        if name in known and settings[name] != asked:
            _require_untouched(folder, name, settings[name], asked)
            del known[name], settings[name]
        same = name if name in known else next((other for other in known if settings[other] == asked), None)
        if same is None:
            _require_free(folder, name, known)
            known[name], settings[name], same = space.complete().to_mapping(), asked, name
        found.append(ComparedModel(name, space, folder / "models" / folder_name(same)))
    return Comparison(folder, tuple(found), seeds, trials)


def _stored_settings(content: Mapping[str, Any], *, trials: int) -> dict[str, Any]:
    """Those of a model of the description; of one that has no such part, what is wrong with it."""
    try:
        return _settings(SearchSpace.from_mapping(content, source=DESCRIPTION), trials=trials)
    except UnknownPartError as error:
        return {"settings": str(error)}


def _settings(space: SearchSpace, *, trials: int) -> dict[str, Any]:
    """By field what makes a model what it is: its values, defaults included, and what is searched."""
    complete = space.complete()
    aside = {*WATCHING, *(() if trials else ("training.seed",))}
    fixed = {name: value for name, value in complete.fixed.items() if name not in aside}
    searched = {name: parameter.to_mapping() for name, parameter in complete.parameters.items()}
    values: dict[str, Any] = json.loads(json.dumps({**fixed, **searched}))
    return values


def _require_untouched(folder: Path, name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    own = folder / "models" / folder_name(name)
    if not any(own.glob("seed-*")) and not (own / "search").exists():
        return  # nothing was trained with the settings of before
    shown = "; ".join(
        f"{field}: {before.get(field)} in the folder, {now.get(field)} now"
        for field in {**before, **now}
        if before.get(field) != now.get(field)
    )
    raise InvalidInputError(
        f'{folder}: holds results of "{name}" with other settings ({shown}). Give the model another name, as in '
        f"NAME=FILE, or choose another --output. To train it again, remove {own} first."
    )


def _require_free(folder: Path, name: str, known: Mapping[str, Any]) -> None:
    for other in known:
        if folder_name(other) == folder_name(name):
            raise InvalidInputError(
                f'{folder}: holds the model "{other}", and "{name}" would share its folder. Rename the new one.'
            )


def _write(folder: Path, description: Mapping[str, Any]) -> None:
    replace_text(folder / DESCRIPTION, yaml.safe_dump(dict(description), sort_keys=False, allow_unicode=True))
