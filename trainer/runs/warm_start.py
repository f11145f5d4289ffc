"""Training that begins with the weights of an earlier run, on a record set that may have grown."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.model import MetaMMF
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training_data import TrainingData

Places = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions before and positions now of what is in both."""


@dataclass(frozen=True)
class WarmStart:
    """What was taken over, and what starts anew.

    Attributes:
        source: The run whose weights were taken.
        users_matched: Users that have their embedding from there.
        users_new: Users whose embedding is initialised.
        items_matched: Items, likewise.
        items_new: Items, likewise.
        modalities_matched: Modalities of the same name and width.
        modalities_new: The others.
        weights_copied: Names of weights that are taken over whole.
        weights_matched: Names of those of which a part is: rows of users and items, features of modalities.
        weights_new: Names of those that are initialised.
    """

    source: str
    users_matched: int
    users_new: int
    items_matched: int
    items_new: int
    modalities_matched: list[str]
    modalities_new: list[str]
    weights_copied: list[str]
    weights_matched: list[str]
    weights_new: list[str]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"warm start from {self.source}: {self.users_matched:,} users matched, {self.users_new:,} new; "
            f"{self.items_matched:,} items matched, {self.items_new:,} new; modalities "
            f"{', '.join(self.modalities_matched) or 'none'} matched, {', '.join(self.modalities_new) or 'none'} new; "
            f"weights: {len(self.weights_copied)} copied, {len(self.weights_matched)} matched in part, "
            f"{len(self.weights_new)} initialised"
        )


def warm_start(model: MetaMMF, data: TrainingData, source: RunDirectory) -> WarmStart:
    """Puts the best weights of a run into a new model.

    Rows of embeddings are matched by raw id, and axes over features or modalities by the name of the modality, whose
    width has to be the same; what is not matched keeps the values it was initialised with. Weights without a
    counterpart of the same number of axes are left alone. The optimiser starts anew, and the standardisation is that of
    the new data.

    Args:
        model: The model, freshly made.
        data: Its record set.
        source: The run to begin from; its record set has to be there.

    Raises:
        InvalidInputError: The run has no weights, or its record set is gone.
    """
    if source.configuration.model.is_baseline:
        raise InvalidInputError(
            f"training.init_from is {source.folder}, a run of {source.configuration.model.encoder}, which has no "
            "weights to begin with. Give a run of a model that is trained."
        )
    before, before_data = load_model(source)
    old, new = before_data.record_set, data.record_set
    users, items = _matched(old.user_ids, new.user_ids), _matched(old.item_ids, new.item_ids)
    old_widths, new_widths = before.item_features.widths, model.item_features.widths
    modalities = [name for name, width in new_widths.items() if old_widths.get(name) == width]
    axes = {
        (sum(old_widths.values()), sum(new_widths.values())): _features(old_widths, new_widths, modalities),
        (len(old_widths), len(new_widths)): (_positions(modalities, old_widths), _positions(modalities, new_widths)),
    }
    tables = {"user_tower/embedding/embeddings:0": users, "item_tower/id_embedding/embeddings:0": items}
    values = {
        _renamed(weight.name, list(old_widths), list(new_widths)): weight for weight in before.trainable_variables
    }
    copied: list[str] = []
    matched: list[str] = []
    fresh: list[str] = []
    for weight in model.trainable_variables:
        found = values.get(weight.name)
        places = None if found is None else _places(found.shape, weight.shape, axes, rows=tables.get(weight.name))
        if found is None or places is None:
            fresh.append(weight.name)
            continue
        result = weight.numpy()
        result[np.ix_(*(now for _, now in places))] = found.numpy()[np.ix_(*(then for then, _ in places))]
        weight.assign(result)
        is_whole = all(len(now) == size for (_, now), size in zip(places, weight.shape, strict=True))
        (copied if is_whole else matched).append(weight.name)
    return WarmStart(
        source=str(source.folder),
        users_matched=len(users[1]),
        users_new=model.users - len(users[1]),
        items_matched=len(items[1]),
        items_new=model.items - len(items[1]),
        modalities_matched=modalities,
        modalities_new=[name for name in new_widths if name not in modalities],
        weights_copied=copied,
        weights_matched=matched,
        weights_new=fresh,
    )


def _matched(before: Sequence[str], now: Sequence[str]) -> Places:
    position = {name: place for place, name in enumerate(before)}
    pairs = [(position[name], place) for place, name in enumerate(now) if name in position]
    columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return columns[0], columns[1]


def _positions(names: Sequence[str], among: Iterable[str]) -> NDArray[np.int64]:
    position = {name: place for place, name in enumerate(among)}
    return np.array([position[name] for name in names], np.int64)


def _features(before: Mapping[str, int], now: Mapping[str, int], modalities: Sequence[str]) -> Places:
    """Positions of the features of the matched modalities among all features side by side."""
    spans = []
    for widths in (before, now):
        ends = dict(zip(widths, np.cumsum(list(widths.values())), strict=True))
        ranges = [np.arange(ends[name] - widths[name], ends[name]) for name in modalities]
        spans.append(np.concatenate([np.zeros(0, np.int64), *ranges]))
    return spans[0], spans[1]


def _whole(size: int) -> Places:
    return np.arange(size), np.arange(size)


def _places(
    before: Sequence[int], now: Sequence[int], axes: Mapping[tuple[int, int], Places], *, rows: Places | None
) -> list[Places] | None:
    """What to copy along each axis; None where an axis is of another, unexplained length."""
    if len(before) != len(now):
        return None
    places = [] if rows is None else [rows]
    for sizes in list(zip(before, now, strict=True))[len(places) :]:
        if sizes[0] != sizes[1] and sizes not in axes:
            return None
        places.append(axes.get(sizes, _whole(sizes[0])))
    return places


def _renamed(name: str, before: Sequence[str], now: Sequence[str]) -> str:
    """The name of a weight now, where those of a modality are numbered by its position."""

    def position(number: re.Match[str]) -> str:
        modality = before[int(number[1])] if int(number[1]) < len(before) else None
        return f"/projection_{now.index(modality)}/" if modality in now else "/gone/"

    return re.sub(r"/projection_(\d+)/", position, name)
