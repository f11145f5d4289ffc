"""The pairs that a reward model learns from, and those that it is checked on."""

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.preference_shards import read_preferences
from tf_metammf.records.preferences import HELD_OUT, TRAINING, Preferences
from tf_metammf.records.reader import read_interactions
from tf_metammf.trainer.labelling.drawn_pairs import DrawnPairs
from tf_metammf.trainer.training_data import TrainingData


def reward_pairs(data: TrainingData, *, held_out: bool, from_weights: bool = False, seed: int = 0) -> DrawnPairs:
    """Pairs whose first item is the better one.

    They are the preferences of the record set where there are any, else interactions against items that are drawn as
    often as they occur in training. With ``from_weights`` they are two interactions of a user with different weights.

    Args:
        data: The record set.
        held_out: Whether to take held-out preferences or the validation split, instead of what training learns from.
        from_weights: Whether weights of interactions say which item is better. Defaults to False.
        seed: Seed of what is drawn.

    Returns:
        The pairs; none where there is nothing to make them of.

    Raises:
        InvalidInputError: ``from_weights``, and interactions have no weights.
    """
    split = "validation" if held_out else "train"
    if from_weights:
        return _by_weight(data, split, seed=seed)
    if data.record_set.metadata.preferences is not None:
        found: Preferences = read_preferences(data.record_set, HELD_OUT if held_out else TRAINING)
        return DrawnPairs(found.user[found.rows], found.chosen[found.rows], found.rejected)
    return _against_drawn_items(data, split, seed=seed)


def _by_weight(data: TrainingData, split: str, *, seed: int) -> DrawnPairs:
    """Each interaction of a split beside another one of its user, the heavier first; none of equal weights."""
    if not data.record_set.metadata.weights:
        raise InvalidInputError(
            f"{data.record_set.folder}: its interactions have no weights, so no reward can be learned from them. "
            "Convert the data with the option weight of their source, or withhold a modality."
        )
    if split not in data.record_set.metadata.splits:
        return DrawnPairs(*np.zeros([3, 0], np.int64))
    found = read_interactions(data.record_set, split)
    assert found.weight is not None
    order = np.argsort(found.user, kind="stable")
    user, item, weight = found.user[order], found.item[order], found.weight[order]
    _, begin, inverse, count = np.unique(user, return_index=True, return_inverse=True, return_counts=True)
    begin, count = begin[inverse], count[inverse]
    distance = np.random.default_rng([seed, len(split)]).integers(0, np.maximum(count - 1, 1)) + 1
    other = begin + (np.arange(len(user)) - begin + distance) % count
    heavier = weight > weight[other]
    first, second = np.where(heavier, item, item[other]), np.where(heavier, item[other], item)
    differ = weight != weight[other]
    return DrawnPairs(user[differ], first[differ], second[differ])


def _against_drawn_items(data: TrainingData, split: str, *, seed: int) -> DrawnPairs:
    """Interactions of a split, each against an item that is none of its user."""
    items = data.record_set.metadata.items
    if split not in data.record_set.metadata.splits:
        return DrawnPairs(*np.zeros([3, 0], np.int64))
    user, item = data.interactions_of(split)
    keys = [np.zeros(0, np.int64)]
    for name in data.record_set.metadata.splits:
        users, others = data.interactions_of(name)
        keys.append(users * items + others)
    drawn: NDArray[np.int64] = np.random.default_rng([seed, len(split)]).choice(data.train.item, len(user))
    sound = ~np.isin(user * items + drawn, np.concatenate(keys))
    return DrawnPairs(user[sound], item[sound], drawn[sound])
