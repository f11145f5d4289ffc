"""Which method splits interactions that have times, where the user names none."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.splits.split_methods import TRAIN

MOST_NEW_USERS = 0.2
"""Share of the interactions held out by time that may be of users without training interactions."""

SOURCE_HAS_SPLITS = "the source has splits"
NO_TIMES = "there are no times"


def interactions_of_new(ids: NDArray[np.int64], split_of: NDArray[np.int8]) -> NDArray[np.int64]:
    """Interactions of users, or items, that have none in training, by split.

    Args:
        ids: Dense ids, int64 ``[n]``.
        split_of: Positions in ``SPLITS``, int8 ``[n]``.

    Returns:
        int64 ``[splits]``.
    """
    trained = np.zeros(int(ids.max(initial=-1)) + 1, bool)
    trained[ids[split_of == TRAIN]] = True
    return np.bincount(split_of[~trained[ids]], minlength=len(SPLITS))


def method_of_times(counts: Sequence[int], of_new_users: Sequence[int], *, held_out: Sequence[bool]) -> tuple[str, str]:
    """Chooses between ``time`` and ``leave_last_out`` by what ``time`` would give.

    ``time`` is the split that shows what a model knows of the future. It does not serve where most of those who are
    asked for are new, or where moments are so few that a split gets none of them.

    Args:
        counts: Interactions by split, split by ``time``.
        of_new_users: Those of users without training interactions.
        held_out: Whether each split has to have interactions.

    Returns:
        The method, and the reason in words.
    """
    for name, count, expected in zip(SPLITS, counts, held_out, strict=True):
        if expected and not count:
            return (
                "leave_last_out",
                f"there are times, but too few different ones to split by time: {name} would be empty",
            )
    share = sum(of_new_users[1:]) / max(1, sum(counts[1:]))
    found = f"by time, {share:.1%} of the held-out interactions are of users without training interactions"
    if share > MOST_NEW_USERS:
        return "leave_last_out", f"there are times, but {found}, more than {MOST_NEW_USERS:.0%}"
    return "time", f"there are times, and {found}, at most {MOST_NEW_USERS:.0%}"
