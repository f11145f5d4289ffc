"""Calibration of a baseline on the validation split: what its cold items borrow of items with similar features."""

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Baseline, Borrowed, LendingBaseline
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.similar_items import SimilarItems
from tf_metammf.trainer.calibration import CALIBRATION, read_content
from tf_metammf.trainer.calibration_sweep import COLD_USERS, Setting, SettingMetrics, chosen_setting, sweep
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training_data import TrainingData

SCALES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""Factors of what cold items borrow that are tried; 0 for nothing. With 1 a cold item is scored as the mean of the
items most like it."""


@dataclass(frozen=True)
class LentScores:
    """Scores of a baseline whose cold items have borrowed, and borrow so many times as much.

    Attributes:
        model: The baseline, after it has lent with a factor of 1.
        warm: bool ``[items]``: which items are warm.
    """

    model: Baseline
    warm: NDArray[np.bool_]

    def of(self, users: NDArray[np.int64]) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Scores of users by dense id."""
        scores = self.model.scores(tf.constant(users, tf.int64)).numpy()
        cold = scores[:, ~self.warm]
        return scores[:, self.warm], [np.float32(scale) * cold for scale in SCALES]


def calibrate_baseline(model: Baseline, run: RunDirectory, data: TrainingData, *, cutoff: int) -> None:
    """Chooses what cold items of a baseline borrow on the validation split, keeps it in its run, and lends it.

    What they have of their own are sums over the items most like them
    (:class:`tf_metammf.features.similar_items.SimilarItems`), with weights that sum to 1, times a factor of
    :data:`SCALES`: the one of :func:`chosen_scale`. Nothing is chosen where items have no features, none is cold, or
    nothing can be lent.

    Args:
        model: The baseline, solved and not calibrated.
        run: Its run directory.
        data: The record set.
        cutoff: K of the metrics.
    """
    lent = _lent(data)
    if not isinstance(model, LendingBaseline) or lent is None:
        return
    model.lend(lent)
    settings = [Setting(0.0, source) for source in range(len(SCALES))]
    wanted, masked = (data.interactions_of(split) for split in ("validation", "train"))
    found = sweep(LentScores(model, data.warm_items), settings, wanted, masked, cutoff=cutoff)
    chosen = chosen_scale(found)
    scale = SCALES[chosen]
    model.lend(_scaled(lent, scale))
    metrics = {"before": found.means(0), "after": found.means(chosen)}
    run.write(CALIBRATION, {"settings": {"cold_scale": scale}, "cold_users": found.cold_users, **metrics})


def chosen_scale(found: SettingMetrics) -> int:
    """Place of the factor in :data:`SCALES`.

    It is that of :func:`tf_metammf.trainer.calibration_sweep.chosen_setting`, without the error: where users are few,
    nearly anything is within it. But if that is below 1, it is 1 where NDCG is not behind that without borrowing by
    more than a standard error of the difference over users: the mean of the items most like it is what an item is
    worth unless users say otherwise.

    Args:
        found: Metrics of all factors on the validation split.
    """
    chosen, natural = chosen_setting(found, within_error=False), SCALES.index(1.0)
    difference = found.ndcg[:, 0] - found.ndcg[:, natural]
    is_behind = difference.mean() > difference.std() / max(len(difference), 1) ** 0.5
    if chosen < natural and found.cold_users >= COLD_USERS and not is_behind:
        return natural
    return chosen


def apply_baseline_calibration(model: Baseline, run: RunDirectory, data: TrainingData) -> None:
    """Lends what was chosen to a baseline as it was solved.

    Raises:
        InvalidInputError: The file is damaged, or the features of the items are not there any more.
    """
    try:
        scale = float(run.read(CALIBRATION)["settings"]["cold_scale"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{run.folder / 'calibration.json'}: is damaged ({error}). Train again.") from error
    if not scale:
        return
    lent = _lent(data)
    if lent is None or not isinstance(model, LendingBaseline):
        raise InvalidInputError(
            f"{run.folder}: its cold items borrow from items with similar features, and {data.record_set.folder} has "
            "none, or more than fit. Train again."
        )
    model.lend(_scaled(lent, scale))


def _scaled(lent: Borrowed, scale: float) -> Borrowed:
    return replace(lent, weights=np.float32(scale) * lent.weights)


def _lent(data: TrainingData) -> Borrowed | None:
    """Cold items and the warm ones most like each, with a sum of 1; None where there is nothing to lend."""
    warm = data.warm_items
    table = read_content(data) if warm.any() and not warm.all() else None
    if table is None:
        return None
    cold = np.flatnonzero(~warm)
    places, weights = (each.numpy() for each in SimilarItems(ItemContent(table, warm), warm).of_items(cold))
    sums = weights.sum(axis=1, keepdims=True)
    shares: NDArray[np.float32] = np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)
    return Borrowed(cold, np.flatnonzero(warm)[places], shares)
