"""Calibration of a trained model on the validation split: where cold items belong among the others."""

import logging
from dataclasses import asdict, dataclass, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.calibration import BorrowedVectors, Calibration, CalibrationSettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent
from tf_metammf.model import MetaMMF
from tf_metammf.trainer.calibration_sweep import EmbeddingScores, Setting, chosen_setting, sweep
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training_data import TrainingData

logger = logging.getLogger(__name__)

CALIBRATION = "calibration"
"""Name of the file in the run directory."""

BIASES = tuple(np.arange(0, 2.125, 0.125).tolist())
"""Biases of cold items that are tried, in deviations of the scores. Steps twice as wide can miss a third of the cold
items that a calibration finds (TikTok, ``gcn``: recall 0.049 against 0.065)."""
FEATURE_BYTES = 2**30
"""Features above this size are not read for a model that does without."""


@dataclass(frozen=True)
class CalibrationChoice:
    """What was chosen, and what it changes on validation.

    Attributes:
        settings: The terms.
        cold_users: Users with cold items to find.
        before: NDCG and recall of all items, and recall of cold ones, without a calibration.
        after: The same with it.
    """

    settings: CalibrationSettings
    cold_users: int
    before: dict[str, float]
    after: dict[str, float]


def calibrate(model: MetaMMF, run: RunDirectory, data: TrainingData, *, cutoff: int) -> CalibrationChoice:
    """Chooses the terms of a trained model on the validation split, keeps them in its run and gives them to the model.

    Args:
        model: The model, with its best weights.
        run: Its run directory.
        data: The record set.
        cutoff: K of the metrics.
    """
    choice = choose_calibration(model, data, cutoff=cutoff)
    run.write(CALIBRATION, asdict(choice))
    apply_calibration(model, choice.settings, data)
    return choice


def read_calibration(run: RunDirectory) -> CalibrationSettings:
    """The terms of a calibrated run.

    Raises:
        InvalidInputError: The file is damaged.
    """
    try:
        return CalibrationSettings(**run.read(CALIBRATION)["settings"])
    except (KeyError, TypeError) as error:
        raise InvalidInputError(f"{run.folder / 'calibration.json'}: is damaged ({error}). Train again.") from error


def apply_calibration(
    model: MetaMMF,
    settings: CalibrationSettings,
    data: TrainingData,
    *,
    item_frequency: NDArray[np.integer] | None = None,
) -> None:
    """Gives terms to a model with its final weights; neutral ones leave it as it is.

    Args:
        model: The model.
        settings: The terms.
        data: The record set.
        item_frequency: Training interactions of every item, of which those without are cold; those of the data by
            default.
    """
    model.calibration = None
    if settings.is_neutral:
        return
    item_frequency = data.item_frequency if item_frequency is None else item_frequency
    table = _content(model, data) if settings.borrows else None
    if table is None:
        model.calibration = Calibration(settings, item_frequency)
        return
    items, warm = model.embeddings()[1].numpy(), item_frequency > 0
    borrowed = BorrowedVectors(ItemContent(table, warm), items, warm)
    model.calibration = Calibration(
        settings,
        item_frequency,
        cold_vectors=_cold_vectors(borrowed, items, item_frequency),
        borrow=borrowed.of_new_items,
    )


def choose_calibration(model: MetaMMF, data: TrainingData, *, cutoff: int) -> CalibrationChoice:
    """Chooses a bias of cold items, and whether they borrow, by the ranking of all items on the validation split.

    It is that of :func:`tf_metammf.trainer.calibration_sweep.chosen_setting`, within an error.

    Args:
        model: The model, with its best weights, not calibrated.
        data: The record set.
        cutoff: K of the metrics.
    """
    users, items = (each.numpy() for each in model.embeddings())
    frequency = data.item_frequency
    warm = frequency > 0
    cold_vectors = [items[~warm]]
    table = _content(model, data) if warm.any() and not warm.all() else None
    if table is not None:
        borrowed = BorrowedVectors(ItemContent(table, warm), items, warm)
        cold_vectors.append(_cold_vectors(borrowed, items, frequency))
    deviation = _deviation(users, items[warm])
    grid = [Setting(float(b * deviation), source) for source in range(len(cold_vectors)) for b in BIASES]
    scores = EmbeddingScores(users, items[warm], cold_vectors, warm=warm)
    found = sweep(scores, grid, data.interactions_of("validation"), data.interactions_of("train"), cutoff=cutoff)
    chosen = chosen_setting(found, within_error=True)
    settings = CalibrationSettings(grid[chosen].cold_bias, grid[chosen].source > 0)
    return CalibrationChoice(settings, found.cold_users, found.means(0), found.means(chosen))


def _deviation(users: NDArray[np.float32], items: NDArray[np.float32]) -> float:
    """Deviation of the scores, over some of the users; 1 where all are the same."""
    scores = users[:: max(1, len(users) // 512)] @ items[:: max(1, len(items) // 8192)].T
    return float(scores.std()) or 1.0 if scores.size else 1.0


def _content(model: MetaMMF, data: TrainingData) -> FeatureTable | None:
    """Features of all items, also where the model does without; None where there are none, or they are streamed."""
    if model.streams_features:
        return None
    own = model.item_features
    return own if isinstance(own, FeatureTable) and own.widths else read_content(data)


def read_content(data: TrainingData) -> FeatureTable | None:
    """Features of all items by all modalities; None where there are none, or above :data:`FEATURE_BYTES`."""
    metadata = data.record_set.metadata
    width = sum(modality.width for modality in metadata.modalities.values())
    if not width or 4 * width * metadata.items > FEATURE_BYTES:
        return None
    return FeatureTable(*replace(data, modalities=None).item_features())  # type: ignore[arg-type]


def _cold_vectors(
    borrowed: BorrowedVectors, items: NDArray[np.float32], item_frequency: NDArray[np.integer]
) -> NDArray[np.float32]:
    cold = np.flatnonzero(item_frequency == 0)
    found: NDArray[np.float32] = borrowed.of_items(cold, tf.constant(items[cold])).numpy()
    return found
