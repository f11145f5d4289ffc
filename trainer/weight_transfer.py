"""Weights of a trained model put into another one, whose users, items and modalities may differ."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.model import MetaMMF

Places = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions before and positions now of what is in both."""

AXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"missing_modalities/stand_ins$", ("features",)),
    (r"/meta_information/hidden_kernel$", ("features", "hidden")),
    (r"/meta_information/hidden_bias$", ("hidden",)),
    (r"/meta_information/kernel$", ("hidden", "settings")),
    (r"/meta_information/absence_kernel$", ("modalities", "hidden")),
    (r"/meta_dense_0/(static_kernel|factor_a|adapter_a)$", ("features", "settings")),
    (r"/meta_dense_0/tensor$", ("settings", "features", "settings")),
    (r"/dense_stack/kernel_0$", ("features", "settings")),
    (r"/gates/kernel_0$", ("features", "gates")),
    (r"/gates/bias_0$", ("gates",)),
    (r"^(projection|feature_biases)$", ("features", "settings")),
    (r"^variant_projections$", ("settings", "features", "settings")),
    (r"^mask$", ("features",)),
    (r"^modality_weights$", ("modalities",)),
    (r"^queries/kernel$", ("settings", "modalities")),
    (r"_diffusion_hidden/kernel$", ("items", "settings")),
    (r"_diffusion_out/kernel$", ("settings", "items")),
    (r"_diffusion_out/bias$", ("items",)),
)
"""What the axes of weights stand for, by a pattern of their names; those of all others follow from settings alone."""


@dataclass(frozen=True)
class Transfer:
    """What became of every weight.

    Attributes:
        modalities: Modalities of the same name and width in both models.
        copied: Names of weights that were taken over whole.
        matched: Names of those of which a part was: rows of users and items, features of modalities.
        new: Names of those that keep the values they were initialised with.
    """

    modalities: list[str]
    copied: list[str]
    matched: list[str]
    new: list[str]


def transfer_weights(before: MetaMMF, model: MetaMMF, *, users: Places, items: Places) -> Transfer:
    """Puts the learned weights of a model into another one.

    Weights are found by name, whatever their order and whether they are trained. Their axes are matched by meaning:
    rows of users and items as the caller says, features by modality, modalities by name. A weight of another number of
    axes, or with an axis of another length that follows from neither users, items nor modalities, is left alone.

    Args:
        before: The trained model.
        model: The model that takes the weights over.
        users: Positions of the users that are in both.
        items: Positions of the items that are in both.
    """
    old, now = (each.item_tower.fused_widths(each.item_features.widths) for each in (before, model))
    matching = _Matching(old, now, users, items)
    values = {matching.renamed(name): weight for name, weight in _by_name(learned_weights(before)).items()}
    weights = learned_weights(model)
    meanings, named = _meanings(model, weights), _by_name(weights)
    transfer = Transfer(matching.modalities, [], [], [])
    for weight in weights:
        name = _name(weight)
        places = None
        if name in values and name in named and not (matching.differs and _is_unexplained(model, name)):
            places = _places(values[name], weight, meanings[name], matching)
        if places is None:
            transfer.new.append(weight.name)
            continue
        result = weight.numpy()
        result[np.ix_(*(now for _, now in places))] = values[name].numpy()[np.ix_(*(then for then, _ in places))]
        weight.assign(result)
        is_whole = all(len(now) == size for (_, now), size in zip(places, weight.shape, strict=True))
        (transfer.copied if is_whole else transfer.matched).append(weight.name)
    return transfer


def learned_weights(model: MetaMMF) -> list[tf.Variable]:
    """The weights that training changes, and the stand-ins of modalities also where the data never call for them."""
    weights = [*model.trainable_variables, *model.frozen_weights]
    stand_ins = getattr(model.item_tower.missing_modalities, "stand_ins", None)
    if stand_ins is not None and not any(weight is stand_ins for weight in weights):
        weights.append(stand_ins)
    return weights


def take_statistics(before: MetaMMF, model: MetaMMF) -> None:
    """Standardises the modalities of a trained model by its statistics."""
    for name, layer in model.item_tower.standardization.items():
        trained = before.item_tower.standardization.get(name)
        if trained is not None and trained.adapt_mean.shape == layer.adapt_mean.shape:
            layer.set_statistics(trained.adapt_mean.numpy(), trained.adapt_variance.numpy())


def matched_places(before: Sequence[str], now: Sequence[str]) -> Places:
    """Positions of the raw ids, or other names, that are in both lists."""
    position = {name: place for place, name in enumerate(before)}
    pairs = [(position[name], place) for place, name in enumerate(now) if name in position]
    columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return columns[0], columns[1]


class _Matching:
    """What the two models have in common."""

    def __init__(self, before: Mapping[str, int], now: Mapping[str, int], users: Places, items: Places) -> None:
        self.modalities = [name for name, width in now.items() if before.get(name) == width]
        self.differs = list(before.items()) != list(now.items())
        self.users, self.items = users, items
        self._before, self._now = list(before), list(now)
        self._widths = sum(before.values()), sum(now.values())
        self._features = _features(before, self.modalities), _features(now, self.modalities)
        self._positions = tuple(
            np.array([names.index(name) for name in self.modalities], np.int64) for names in (self._before, self._now)
        )

    def renamed(self, name: str) -> str:
        """The name of a weight now, where those of a modality are numbered by its position."""

        def position(number: re.Match[str]) -> str:
            modality = self._before[int(number[1])] if int(number[1]) < len(self._before) else None
            return f"/projection_{self._now.index(modality)}/" if modality in self.modalities else "/gone/"

        return re.sub(r"/projection_(\d+)/", position, name)

    def places(self, meaning: str, before: int, now: int) -> Places | None:
        """Positions along an axis; None where its lengths do not fit what it stands for."""
        then, place = self._positions
        match meaning:
            case "users":
                return self.users
            case "items":
                return self.items
            case "features" if (before, now) == self._widths:
                return self._features
            case "modalities" if (before, now) == (len(self._before), len(self._now)):
                return then, place
            case "gates" if before * len(self._now) == now * len(self._before):
                units = np.arange(now // len(self._now))
                return _side_by_side(then, units), _side_by_side(place, units)
            case "settings" | "hidden" if before == now:
                return np.arange(now), np.arange(now)
            case "hidden" if (before, now) == self._widths:
                return self._features  # without a width of its own, the hidden layer is as wide as the features
        return None


def _places(before: tf.Variable, now: tf.Variable, meanings: Sequence[str], matching: _Matching) -> list[Places] | None:
    """What to copy along each axis; None where there is nothing to copy, or an axis does not fit."""
    if not len(before.shape) == len(now.shape) == len(meanings):
        return None
    places = [matching.places(*axis) for axis in zip(meanings, before.shape, now.shape, strict=True)]
    found = [place for place in places if place is not None and len(place[0])]
    return found if len(found) == len(places) else None


def _meanings(model: MetaMMF, weights: Sequence[tf.Variable]) -> dict[str, tuple[str, ...]]:
    """What the axes of every weight stand for, by its name."""
    users, items = model.embedding_tables()
    rows = {_name(table): "users" for table in users} | {_name(table): "items" for table in items}
    meanings = {}
    for weight in weights:
        name = _name(weight)
        known = next((axes for pattern, axes in AXES if re.search(pattern, name)), None)
        settings = ("settings",) * len(weight.shape)
        meanings[name] = (rows[name], *settings[1:]) if name in rows else known or settings
    return meanings


def _is_unexplained(model: MetaMMF, name: str) -> bool:
    """Whether a weight is one of a fusion with axes of unknown meaning: one of the user's own, or one over time.

    Those of fusions over time are explained for the maps of single modalities, which are found by their position.
    """
    fusion = model.item_tower.fusion
    explained = ["/id_embedding/", "/missing_modalities/"]
    if getattr(fusion, "takes", "vectors") == "tokens":
        explained.append("/projection_")
    elif type(fusion).__module__.startswith("tf_metammf."):
        return False
    return name.startswith("item_tower/") and fusion is not None and not any(part in name for part in explained)


def _features(widths: Mapping[str, int], modalities: Sequence[str]) -> NDArray[np.int64]:
    """Positions of the features of some modalities among all features side by side."""
    ends = dict(zip(widths, np.cumsum(list(widths.values())), strict=True))
    spans = [np.arange(ends[name] - widths[name], ends[name]) for name in modalities]
    return np.concatenate([np.zeros(0, np.int64), *spans])


def _side_by_side(rows: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.add.outer(rows * len(units), units).ravel()


def _by_name(weights: Sequence[tf.Variable]) -> dict[str, tf.Variable]:
    """The weights whose name is theirs alone."""
    names = Counter(_name(weight) for weight in weights)
    return {_name(weight): weight for weight in weights if names[_name(weight)] == 1}


def _name(weight: tf.Variable) -> str:
    return str(weight.name).removesuffix(":0")
