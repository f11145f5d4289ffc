"""What TensorBoard gets beside losses and metrics: learning rate, norms, modality shares, embeddings to look at."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.fusion.modality_shares import modality_shares
from tf_metammf.model import MetaMMF

CONTENTS = ("metrics", "all")

SHOWN_ITEMS = 10_000
"""Items of the projector, and those whose modality shares are drawn: the first of the catalogue."""

PROFILE_FROM = 10
"""Steps of ``fit`` before a profile begins: tracing and the first batches are not what one wants to see."""


def tensorboard_callbacks(
    folder: Path, *, contents: str, profile_steps: int, item_ids: list[str]
) -> list[keras.callbacks.Callback]:
    """The callbacks that write for TensorBoard.

    Args:
        folder: Where the logs go.
        contents: ``"metrics"`` for losses, metrics and learning rate; ``"all"`` also for the norms of gradients and of
            embeddings, histograms of modality shares, and the embeddings of items for the projector.
        profile_steps: Steps of a profile; 0 for none.
        item_ids: Raw id of every item, for the labels of the projector.
    """
    profile = (PROFILE_FROM, PROFILE_FROM + profile_steps - 1) if profile_steps else 0
    callbacks: list[keras.callbacks.Callback] = [
        WriteLearningRate(),
        keras.callbacks.TensorBoard(str(folder), write_graph=False, profile_batch=profile),
    ]
    if contents == "all":
        callbacks.append(WriteModelStatistics(folder, item_ids))
    return callbacks


class WriteLearningRate(keras.callbacks.Callback):
    """Adds the learning rate to the logs of an epoch, for what comes after it."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds it."""
        if logs is not None:
            logs["learning_rate"] = float(keras.backend.get_value(self.model.optimizer.learning_rate))


class WriteModelStatistics(keras.callbacks.Callback):
    """Writes norms of the embeddings and modality shares after every epoch, and embeddings when training ends.

    ``norm/users`` and ``norm/items`` are means over the rows of the ID tables; ``modality_share/NAME`` are the shares
    of :func:`tf_metammf.fusion.modality_shares.modality_shares`, of the first :data:`SHOWN_ITEMS` items, where they
    have the modality. They need features in memory.

    Args:
        folder: Where the logs go.
        item_ids: Raw id of every item.
    """

    def __init__(self, folder: Path, item_ids: list[str]) -> None:
        super().__init__()
        self.folder = folder
        self.item_ids = item_ids
        self._writer: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes norms and shares."""
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.folder / "model"))
        model = self.model
        with self._writer.as_default(step=epoch):
            tf.summary.scalar("norm/users", _mean_norm(model.user_tower.embedding.embeddings))
            if model.item_tower.id_embedding is not None:
                tf.summary.scalar("norm/items", _mean_norm(model.item_tower.id_embedding.embeddings))
            for name, shares in _shares(model).items():
                tf.summary.histogram(f"modality_share/{name}", shares)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Writes the embeddings of items for the projector."""
        _, items = self.model.embeddings()
        write_projector(self.folder, items[:SHOWN_ITEMS].numpy(), self.item_ids[:SHOWN_ITEMS])


def write_projector(folder: Path, embeddings: np.ndarray[Any, Any], labels: list[str]) -> None:
    """Writes embeddings and labels, as text, with the configuration by which TensorBoard's projector finds them.

    Args:
        folder: The folder of the logs.
        embeddings: float ``[n, d]``.
        labels: One for each row.
    """
    from google.protobuf import text_format
    from tensorboard.plugins.projector import ProjectorConfig

    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / "items.tsv", embeddings, delimiter="\t", fmt="%.6g")
    with (folder / "items_labels.tsv").open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, delimiter="\t", lineterminator="\n").writerows([label] for label in labels)
    configuration = ProjectorConfig()
    configuration.embeddings.add(
        tensor_name="items", tensor_path="items.tsv", metadata_path="items_labels.tsv", tensor_shape=embeddings.shape
    )
    (folder / "projector_config.pbtxt").write_text(text_format.MessageToString(configuration), encoding="utf-8")


def _mean_norm(table: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.norm(tf.cast(tf.convert_to_tensor(table), tf.float32), axis=1))


def _shares(model: MetaMMF) -> dict[str, tf.Tensor]:
    source = model.item_features
    if not isinstance(source, FeatureTable) or not source.widths:
        return {}
    features, presence = next(source.blocks(SHOWN_ITEMS))
    shares = modality_shares(model, features, presence)
    names = enumerate(sorted(features))
    return {name: tf.boolean_mask(shares[:, column], presence[name]) for column, name in names}
