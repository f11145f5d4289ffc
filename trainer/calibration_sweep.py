"""Metrics of a validation split under many settings of a calibration, from one computation of scores, and a choice."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

USERS_AT_MOST = 20_000
SCORES_AT_MOST = 2 * 10**8
"""Users, and scores of users and items, that are ranked; of more, so many users are drawn, and at least 1,000."""

COLD_USERS = 20
"""Users with cold items to find that it takes to choose anything for cold items."""

LOSS = 0.01
"""Share of NDCG of all items that finding more cold items may cost, against the best setting and against none; the
same of recall, against none."""

_SCORES_AT_ONCE = 2**24


@dataclass(frozen=True)
class Setting:
    """One setting of a calibration.

    Attributes:
        cold_bias: Added to the scores of cold items.
        source: Which of the vectors of cold items are taken.
    """

    cold_bias: float
    source: int


class Scores(Protocol):
    """What is ranked."""

    @property
    def warm(self) -> NDArray[np.bool_]:
        """Which items are warm, bool ``[items]``."""

    def of(self, users: NDArray[np.int64]) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Scores of users by dense id ``[n]``: warm items ``[n, W]``, and cold ones by each source ``[n, C]``."""


@dataclass(frozen=True)
class EmbeddingScores:
    """Dot products of embeddings.

    Attributes:
        users: Embeddings of all users, float32 ``[users, d]``.
        warm_items: Those of the warm items, ``[W, d]``.
        cold_items: Vectors of the cold items to choose from, ``[C, d]`` each.
        warm: bool ``[items]``: which items are warm.
    """

    users: NDArray[np.float32]
    warm_items: NDArray[np.float32]
    cold_items: list[NDArray[np.float32]]
    warm: NDArray[np.bool_]

    def of(self, users: NDArray[np.int64]) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Scores of users by dense id."""
        queries = self.users[users]
        return queries @ self.warm_items.T, [queries @ items.T for items in self.cold_items]


@dataclass(frozen=True)
class SettingMetrics:
    """Metrics of every user and setting.

    Attributes:
        ndcg: Of all items, ``[users, settings]``.
        recall: Of all items, ``[users, settings]``.
        cold_recall: Of cold items, ``[users with cold items to find, settings]``.
    """

    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]
    cold_recall: NDArray[np.float64]

    @property
    def cold_users(self) -> int:
        """Users with cold items to find."""
        return len(self.cold_recall)

    def means(self, setting: int) -> dict[str, float]:
        """Means over users of one setting; 0 where there are none."""
        named = {"ndcg": self.ndcg, "recall": self.recall, "cold_recall": self.cold_recall}
        return {name: float(values[:, setting].mean()) if len(values) else 0.0 for name, values in named.items()}


def sweep(scores: Scores, settings: list[Setting], wanted: Pairs, masked: Pairs, *, cutoff: int) -> SettingMetrics:
    """Ranks the wanted items of every user among all that are not masked, under every setting.

    Of equal scores the wanted item comes last.

    Args:
        scores: What is ranked.
        settings: The settings.
        wanted: Users and items to find.
        masked: Users and items that are left out of the rankings: warm ones.
        cutoff: K.
    """
    place = np.where(scores.warm, np.cumsum(scores.warm), np.cumsum(~scores.warm)) - 1
    of_user, hidden = _by_user(_without(wanted, masked)), _by_user(masked)
    chosen = np.array(sorted(of_user))
    most = min(USERS_AT_MOST, max(1000, SCORES_AT_MOST // max(1, len(scores.warm))))
    if len(chosen) > most:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, most, replace=False))
    discounts = 1 / np.log2(np.arange(cutoff) + 2)
    ideal = np.append(0, np.cumsum(discounts))
    ndcg, recall, cold_recall = [], [], []
    at_once = max(1, _SCORES_AT_ONCE // max(1, len(scores.warm)))
    for first in range(0, len(chosen), at_once):
        block = chosen[first : first + at_once]
        warm, cold = scores.of(block)
        for row, user in enumerate(block):
            items = of_user[user]
            is_warm = scores.warm[items]
            warm[row, place[hidden.get(user, items[:0])]] = -np.inf
            mine = warm[row], [each[row] for each in cold]
            ranks = _ranks(*mine, place[items], is_warm, settings)
            hits = ranks < cutoff
            gains = np.where(hits, discounts[np.minimum(ranks, cutoff - 1)], 0)
            ndcg.append(gains.sum(axis=1) / ideal[min(len(items), cutoff)])
            recall.append(hits.mean(axis=1))
            if not is_warm.all():
                cold_recall.append(hits[:, ~is_warm].mean(axis=1))
    shape = (-1, len(settings))
    return SettingMetrics(*(np.reshape(np.array(each), shape) for each in (ndcg, recall, cold_recall)))


def chosen_setting(found: SettingMetrics, *, within_error: bool) -> int:
    """Place of the setting that finds most cold items and costs little; the first one changes nothing.

    NDCG may be behind that of the best setting by :data:`LOSS`, and NDCG and recall likewise behind those of the
    first one. With fewer than :data:`COLD_USERS` users to tell by, it is the first.

    Args:
        found: Metrics of all settings.
        within_error: Whether NDCG may also be behind the best by a standard error of the difference over users.
    """
    if found.cold_users < COLD_USERS:
        return 0
    best = int(found.ndcg.mean(axis=0).argmax())
    settings = range(found.ndcg.shape[1])
    good = [place for place in settings if _is_good(found, place, best, within_error=within_error)]
    return max(good or [best], key=lambda place: (found.means(place)["cold_recall"], -place))


def _is_good(found: SettingMetrics, place: int, best: int, *, within_error: bool) -> bool:
    means, difference = found.means(place), found.ndcg[:, best] - found.ndcg[:, place]
    error = float(difference.std() / max(len(difference), 1) ** 0.5) if within_error else 0.0
    return float(difference.mean()) <= max(error, LOSS * found.means(best)["ndcg"]) and all(
        means[name] >= (1 - LOSS) * found.means(0)[name] for name in ("ndcg", "recall")
    )


def _ranks(
    warm: NDArray[np.float32],
    cold: list[NDArray[np.float32]],
    places: NDArray[np.int64],
    is_warm: NDArray[np.bool_],
    settings: list[Setting],
) -> NDArray[np.int64]:
    """Ranks of the wanted items of one user, from 0, ``[settings, wanted]``."""
    ranks = np.empty((len(settings), len(places)), np.int64)
    sources = np.array([setting.source for setting in settings])
    biases = np.array([setting.cold_bias for setting in settings], np.float32)[:, np.newaxis]
    sorted_warm = np.sort(warm)
    warm_scores = warm[places[is_warm]]
    for source, scores in enumerate(cold):
        here, sorted_cold = sources == source, np.sort(scores)
        cold_scores, bias = scores[places[~is_warm]], biases[here]
        # A bias moves cold items against warm ones, and neither against its own kind.
        of_warm = _at_least(sorted_warm, warm_scores) + _at_least(sorted_cold, warm_scores - bias)
        of_cold = _at_least(sorted_cold, cold_scores) + _at_least(sorted_warm, cold_scores + bias)
        found = np.empty((len(bias), len(places)), np.int64)
        found[:, is_warm], found[:, ~is_warm] = of_warm - 1, of_cold - 1
        ranks[here] = found
    return ranks


def _at_least(scores: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many of the sorted scores are not below each value."""
    return len(scores) - np.searchsorted(scores, values)


def _by_user(pairs: Pairs) -> dict[int, NDArray[np.int64]]:
    """The items of every user that has some."""
    order = np.argsort(pairs[0], kind="stable")
    users, starts = np.unique(pairs[0][order], return_index=True)
    return dict(zip(users.tolist(), np.split(pairs[1][order], starts[1:]), strict=True)) if len(users) else {}


def _without(pairs: Pairs, others: Pairs) -> Pairs:
    """The distinct pairs that are not among others."""
    items = int(max(each[1].max(initial=0) for each in (pairs, others))) + 1
    keys = np.setdiff1d(pairs[0] * items + pairs[1], others[0] * items + others[1])
    return keys // items, keys % items
