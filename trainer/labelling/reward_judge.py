"""A judge inside: a reward model that sees a modality or weights of interactions which the run does not."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.reader import read_items
from tf_metammf.trainer.labelling.drawn_pairs import DrawnPairs
from tf_metammf.trainer.labelling.reward_model import RewardModel, RewardSettings, context_of
from tf_metammf.trainer.labelling.reward_pairs import reward_pairs
from tf_metammf.trainer.training_data import TrainingData

_NO_JUDGE = 0.55

logger = logging.getLogger(__name__)


class RewardJudge:
    """Chooses by a reward model that sees modalities which the run does not, or learns from weights of interactions.

    It learns from the preferences of the record set where there are any, else from training interactions against items
    that are drawn as often as they occur, so that being popular is no reason to be chosen. From weights, such as watch
    times, it learns which of two training interactions of a user has the larger one.

    Args:
        model: The model of the run, with ``embeddings()``.
        data: Its record set.
        withheld: Modalities of the record set that the run does not use. Defaults to none.
        from_weights: Whether it learns from the weights of interactions. Defaults to False.
        margin: Difference of two rewards from which on one is chosen. Defaults to 0.
        settings: How the reward model is trained.

    Attributes:
        accuracy: Share of held-out pairs, of preferences or of interactions, that it has in the right order; None
            without any.

    Raises:
        InvalidInputError: A modality is unknown or none that the run does without, there is neither a modality nor are
            there weights, or the margin is negative.
    """

    def __init__(
        self,
        model: Any,
        data: TrainingData,
        *,
        withheld: Sequence[str] = (),
        from_weights: bool = False,
        margin: float = 0.0,
        settings: RewardSettings | None = None,
    ) -> None:
        known, used = data.record_set.metadata.modalities, data.modalities or []
        for name in withheld:
            if name not in known:
                raise unknown_name("modality", name, known)
            if name in used:
                raise InvalidInputError(
                    f'the modality "{name}" is one that the run was trained on, so a reward model would see no more '
                    "than it. Name one that model.modalities of the run leaves out."
                )
        if not withheld and not from_weights:
            raise InvalidInputError(
                "withheld is empty, expected modalities that the run does not use, or from_weights."
            )
        if not margin >= 0:
            raise InvalidInputError(f"margin is {margin}, expected at least 0.")
        self.margin, self.withheld, self.from_weights = margin, list(withheld), from_weights
        context, self._has_context = _context(data, self.withheld)
        users, items = (np.asarray(each, np.float32) for each in model.embeddings())
        self._reward = RewardModel(users, items, context, settings)
        learned, held_out = (
            self._known(reward_pairs(data, held_out=each, from_weights=from_weights, seed=self._reward.settings.seed))
            for each in (False, True)
        )
        if not len(learned):
            needed = ["different weights"] * from_weights + [f"{', '.join(withheld)} on both items"] * bool(withheld)
            raise InvalidInputError(f"{data.record_set.folder}: no pair to learn from has {' and '.join(needed)}.")
        self._reward.fit(learned)
        self.accuracy = float((self._reward.margins(held_out) > 0).mean()) if len(held_out) else None
        shown = "" if self.accuracy is None else f", {self.accuracy:.1%} of {len(held_out):,} held-out pairs right"
        if self.accuracy is not None and self.accuracy < _NO_JUDGE:
            logger.warning(
                "the reward model has %.1f%% of held-out pairs in the right order, hardly more than chance: it is no "
                "judge. Withhold a modality that says more, or train the run for longer.",
                100 * self.accuracy,
            )
        logger.info("reward model: learned from %s pairs%s", f"{len(learned):,}", shown)

    @property
    def source(self) -> str:
        """What the preferences are said to come from."""
        return f"reward:{','.join(['weights'] * self.from_weights + self.withheld)}"

    def choose(self, pairs: DrawnPairs) -> NDArray[np.int8]:
        """1 where the first item is better by more than the margin, -1 where the second is, else 0; int8 ``[n]``.

        Pairs of which an item lacks a withheld modality are not chosen from.
        """
        margins = self._reward.margins(pairs)
        choices = np.sign(margins).astype(np.int8)
        there = self._has_context[pairs.first] & self._has_context[pairs.second]
        choices[(np.abs(margins) <= self.margin) | ~there] = 0
        return choices

    def _known(self, pairs: DrawnPairs) -> DrawnPairs:
        there = self._has_context[pairs.first] & self._has_context[pairs.second]
        return DrawnPairs(pairs.user[there], pairs.first[there], pairs.second[there])


def _context(data: TrainingData, names: list[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What :func:`context_of` gives of modalities; without any, no columns, which all items have."""
    if not names:
        items = data.record_set.metadata.items
        return np.zeros([items, 0], np.float32), np.ones(items, bool)
    table = read_items(data.record_set, form="vectors").select(names)
    return context_of({name: np.asarray(each) for name, each in table.features.items()}, table.presence)
