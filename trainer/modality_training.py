"""Training and stopping modality by modality, as a configuration asks for it."""

from typing import Any

import tf_keras as keras

from tf_metammf.modality_updates import ModalityUpdates, weights_by_modality
from tf_metammf.model import MetaMMF
from tf_metammf.trainer.configuration.sections import TrainingConfiguration
from tf_metammf.trainer.epoch_ranking import RankEpochs
from tf_metammf.trainer.modality_stop import BestModalityWeights, StopModalities, WatchModalities
from tf_metammf.trainer.runs.training_state import TrainingState


def make_updates(settings: TrainingConfiguration, model: MetaMMF) -> ModalityUpdates | None:
    """The updates of a compiled model, and the optimisers of its modalities; None for those that all models have.

    Raises:
        InvalidInputError: The model has no weights of single modalities.
    """
    if settings.update == "joint" and settings.modality_stop == "none":
        return None
    trained = {weight.ref() for weight in model.trainable_variables}
    found = {
        name: [weight for weight in weights if weight.ref() in trained]
        for name, weights in weights_by_modality(model.item_tower).items()
    }
    own = {name: weights for name, weights in found.items() if weights}
    return ModalityUpdates(own, alternating=settings.update == "alternating")


class ModalityTraining:
    """What a training needs where modalities are trained or stopped each on its own; nothing where they are not.

    Args:
        model: The compiled model.
        settings: The settings of the training.
    """

    def __init__(self, model: MetaMMF, settings: TrainingConfiguration) -> None:
        self._settings = settings
        self._updates = model.weight_updates if isinstance(model.weight_updates, ModalityUpdates) else None
        self._best = (
            BestModalityWeights(self._updates)
            if self._updates is not None and settings.modality_stop == "validation_gain"
            else None
        )

    def trackable(self) -> dict[str, Any]:
        """What a checkpoint needs beside model and optimiser."""
        found = {} if self._updates is None else self._updates.trackable()
        return found if self._best is None else found | {"best_of_modalities": self._best.trackable()}

    def watching(self, state: TrainingState, ranking: RankEpochs, *, monitor: str) -> list[keras.callbacks.Callback]:
        """Callbacks that go behind the one that ranks an epoch."""
        if self._updates is None:
            return []
        measured = ranking if self._best is not None else None
        return [WatchModalities(self._updates, state, monitor=monitor, ranking=measured, best=self._best)]

    def stopping(self, state: TrainingState) -> list[keras.callbacks.Callback]:
        """Callbacks that go behind what writes history and weights."""
        if self._updates is None or self._settings.modality_stop == "none":
            return []
        return [StopModalities(self._updates, state, settings=self._settings, best=self._best)]
