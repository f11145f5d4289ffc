"""Metrics beyond accuracy of the lists of a split: of all users, and of rare and active ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tf_metammf.ranking.beyond_accuracy import BeyondAccuracy, profile_popularity
from tf_metammf.trainer.training_data import TrainingData

ALL_USERS = "all users"


class ListMetrics:
    """Metrics beyond accuracy on a record set.

    Args:
        data: The record set. Where it has no :meth:`~tf_metammf.trainer.training_data.TrainingData.content_directions`
            there is no similarity.
        users: Dense ids of the users who have lists, ascending.
    """

    def __init__(self, data: TrainingData, users: NDArray[np.integer]) -> None:
        metadata = data.record_set.metadata
        train = data.train
        profiles = profile_popularity(train.user, train.item, users=metadata.users, items=metadata.items)
        self._measured = BeyondAccuracy(data.item_frequency, profiles[users], data.content_directions())
        self._groups = {ALL_USERS: np.ones(len(users), bool), **activity_groups(data.user_frequency[users])}

    def of(self, recommended: NDArray[np.integer], cutoffs: Sequence[int]) -> dict[str, dict[str, float]]:
        """Metrics by group of users and name, as :mod:`tf_metammf.ranking.beyond_accuracy` defines them.

        Args:
            recommended: Items of every user, best first, ``[users, K]``.
            cutoffs: The values of ``k``.
        """
        return {
            group: self._measured.metrics(recommended, cutoffs, members=members)
            for group, members in self._groups.items()
        }


def activity_groups(activity: NDArray[np.integer]) -> dict[str, NDArray[np.bool_]]:
    """Groups of users by their training interactions, cut at the median, by name; none is empty.

    Args:
        activity: Training interactions of every user, ``[users]``.
    """
    middle = float(np.median(activity))
    groups = {
        f"rare users (up to {middle:g} interactions)": activity <= middle,
        f"active users (more than {middle:g})": activity > middle,
    }
    return {name: members for name, members in groups.items() if members.any()}
