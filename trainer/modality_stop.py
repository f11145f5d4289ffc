"""Training that ends for one modality before the others: two rules, what they watch, and what happens then."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_metammf.modality_updates import ModalityUpdates
from tf_metammf.trainer.configuration.sections import TrainingConfiguration
from tf_metammf.trainer.epoch_ranking import RankEpochs
from tf_metammf.trainer.runs.training_state import TrainingState

logger = logging.getLogger(__name__)

GRADIENT, GAIN, STOPPED, PASSES = "gradient_norm", "validation_gain", "stopped", "passes"
"""Columns of a history, the first three followed by ``/`` and the name of a modality."""


def gradient_grows(norms: Sequence[float], *, growth: float, first_epoch: int) -> bool:
    """Whether a gradient has grown after the last of these epochs (adaptive exit of CREMA, arXiv 2402.05889).

    ``g(e) > growth * mean of g(1) ... g(e - 1)`` and ``e >= first_epoch``, with the mean norm ``g(e)`` of the gradient
    of a modality's own weights over the steps of epoch ``e``.

    Args:
        norms: ``g(1) ... g(e)``.
        growth: The factor.
        first_epoch: The first epoch that counts, at least 2.
    """
    return len(norms) >= max(first_epoch, 2) and norms[-1] > growth * float(np.mean(norms[:-1]))


def gain_ends(gains: Sequence[float], *, patience: int) -> bool:
    """Whether the best of these gains is at least ``patience`` epochs old."""
    return len(gains) - best_epoch(gains) >= patience if gains else False


def best_epoch(gains: Sequence[float]) -> int:
    """The epoch of the highest gain, the first of several, counted from 1."""
    return int(np.argmax(gains)) + 1


class BestModalityWeights:
    """The own weights of every modality as they were in the epoch of its highest gain.

    Args:
        updates: The weights.
    """

    def __init__(self, updates: ModalityUpdates) -> None:
        self._updates = updates
        self._kept = {
            name: [tf.Variable(weight, trainable=False) for weight in weights] for name, weights in updates.own.items()
        }

    def keep(self, name: str) -> None:
        """Remembers the weights of a modality."""
        for kept, weight in zip(self._kept[name], self._updates.own[name], strict=True):
            kept.assign(weight)

    def restore(self, name: str) -> None:
        """Puts the remembered weights of a modality back."""
        for kept, weight in zip(self._kept[name], self._updates.own[name], strict=True):
            weight.assign(kept)

    def trackable(self) -> tf.train.Checkpoint:
        """What a checkpoint needs."""
        kept = [variable for variables in self._kept.values() for variable in variables]
        return tf.train.Checkpoint(**{f"of_{place}": variable for place, variable in enumerate(kept)})


class WatchModalities(keras.callbacks.Callback):
    """Adds to the logs of an epoch what each modality gains, which are stopped, and the passes of a step.

    ``validation_gain/NAME`` is the monitored metric less that of a ranking in which all items are taken to lack the
    modality; it costs one ranking for each modality that is not stopped. Put it behind the ranking of the epoch.

    Args:
        updates: The weights.
        state: The state, shared with the other callbacks.
        monitor: The monitored metric.
        ranking: What ranks an epoch, where gains are measured; None for no gains.
        best: Where the best weights go, likewise.
    """

    def __init__(
        self,
        updates: ModalityUpdates,
        state: TrainingState,
        *,
        monitor: str,
        ranking: RankEpochs | None = None,
        best: BestModalityWeights | None = None,
    ) -> None:
        super().__init__()
        self.updates = updates
        self.state = state
        self.monitor = monitor
        self.ranking = ranking
        self.best = best

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Stops what the state says, also where training is resumed or rolled back."""
        self.updates.stop(self.model, self.state.stopped_modalities)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the numbers."""
        if logs is None or f"val_{self.monitor}" not in logs:
            return
        if self.ranking is not None and self.best is not None:
            for name in self.updates.running:
                without = self.ranking.evaluate(*self.model.embeddings(without=name))[self.monitor]
                gain = logs[f"val_{self.monitor}"] - without
                if gain > max(numbers(self.state, f"{GAIN}/{name}"), default=-np.inf):
                    self.best.keep(name)
                logs[f"{GAIN}/{name}"] = gain
        logs |= {f"{STOPPED}/{name}": float(name in self.updates.stopped) for name in self.updates.own}
        logs[PASSES] = float(self.updates.passes)


class StopModalities(keras.callbacks.Callback):
    """Stops a modality by a rule, restores its best weights where they are kept, and ends training after the last one.

    Put it behind what writes history and best weights, which are those of the epoch that has just been ranked.

    Args:
        updates: The weights.
        state: The state, shared with the other callbacks, which has the history.
        settings: The rule and its numbers.
        best: The best weights, for the rule ``validation_gain``.
    """

    def __init__(
        self,
        updates: ModalityUpdates,
        state: TrainingState,
        *,
        settings: TrainingConfiguration,
        best: BestModalityWeights | None = None,
    ) -> None:
        super().__init__()
        self.updates = updates
        self.state = state
        self.settings = settings
        self.best = best

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Applies the rule."""
        if self.model.stop_training:
            return
        for name in [name for name in self.updates.running if self._ends(name)]:
            self.state.stopped_modalities[name] = epoch + 1
            if self.best is not None:
                self.best.restore(name)
        self.updates.stop(self.model, self.state.stopped_modalities)
        self.state.nothing_to_train = not self.updates.has_weights(self.model)

    def _ends(self, name: str) -> bool:
        settings = self.settings
        if settings.modality_stop == "gradient_growth":
            norms = numbers(self.state, f"{GRADIENT}/{name}")
            grows = gradient_grows(norms, growth=settings.modality_stop_growth, first_epoch=settings.modality_stop_from)
            if grows:
                logger.info(
                    "epoch %s: modality %s stops, its gradient is %.3g after a mean of %.3g",
                    *(len(self.state.history), name, norms[-1], np.mean(norms[:-1])),
                )
            return grows
        gains = numbers(self.state, f"{GAIN}/{name}")
        ends = gain_ends(gains, patience=settings.modality_stop_patience)
        if ends:
            logger.info(
                "epoch %s: modality %s stops, with its weights of epoch %s, in which the validation metric gained %.4f",
                *(len(self.state.history), name, best_epoch(gains), max(gains)),
            )
        return ends


def numbers(state: TrainingState, column: str) -> list[float]:
    """The numbers of a column of the history, from the first epoch on."""
    return [row[column] for row in state.history if column in row]
