"""What a sample of users is recommended, which stands for all of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.explorer.background import Progress
from tf_metammf.explorer.catalogue import Catalogue
from tf_metammf.export.client import Client

PLACES = 50
USERS_AT_ONCE = 32
SEED = 0


@dataclass(frozen=True)
class Survey:
    """The first places of a sample of users, without what they have seen.

    Attributes:
        users: Dense user ids, int64 ``[n]``, ascending.
        items: Dense ids of the recommended items, int32 ``[n, K]``, best first; -1 where there is none.
        population: Users with training interactions, of whom the sample is.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int32]
    population: int

    def users_shown(self, item: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Users who have an item in their first ``k`` places, and its place there, from 1, the best place first."""
        rows, places = np.nonzero(self.items[:, :k] == item)
        order = np.argsort(places, kind="stable")
        return self.users[rows[order]], places[order].astype(np.int64) + 1


def take_survey(client: Client, catalogue: Catalogue, users: int, *, report: Progress) -> Survey:
    """Asks a model for the first :data:`PLACES` places of a sample of its users.

    Args:
        client: Answers requests.
        catalogue: Its users and items.
        users: At most so many users; drawn with a fixed seed among those with training interactions.
        report: Takes the progress.
    """
    trained = np.flatnonzero(np.diff(catalogue.seen_starts) > 0)
    chosen = trained
    if len(trained) > users:
        chosen = np.sort(np.random.default_rng(SEED).choice(trained, users, replace=False))
    places = max(1, min(PLACES, len(catalogue.item_ids)))
    items = np.full((len(chosen), places), -1, np.int32)
    for start in range(0, len(chosen), USERS_AT_ONCE):
        rows = chosen[start : start + USERS_AT_ONCE]
        answers = client.recommend([catalogue.user_ids[user] for user in rows], places)
        for row, answer in enumerate(answers, start):
            items[row, : len(answer.item_ids)] = catalogue.numbers_of(answer.item_ids)
        report((start + len(rows)) / len(chosen))
    return Survey(chosen, items, len(trained))
