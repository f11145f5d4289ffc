"""TFDS metadata, so that ``tfds.builder_from_directory`` reads the folders of a record set."""

import json
import logging
from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_metammf.records.metadata import FileEntry, Metadata
from tf_metammf.records.record_set import INTERACTIONS_FOLDER, ITEMS_FOLDER, PREFERENCES_FOLDER
from tf_metammf.records.token_examples import time_feature


def write_tfds_metadata(folder: Path, metadata: Metadata) -> None:
    """Writes ``dataset_info.json`` and ``features.json`` into the folders of a record set.

    In TFDS' eyes an example of ``interactions`` is a block (parallel lists), one of ``items``
    an item, one of ``preferences`` a preference; an absent modality reads as a list of length 0. Token
    sequences are one list, token after token, with
    their times in ``NAME/time``; values of 16 bits are a text. The one split of ``items`` is
    called ``items``, because TFDS reserves ``all`` for the union of splits.

    Args:
        folder: The record set.
        metadata: Its metadata.
    """
    block = {"user": _list_of(tf.int64), "item": _list_of(tf.int64)}
    if metadata.timestamps:
        block["timestamp"] = _list_of(tf.int64)
    if metadata.weights:
        block["weight"] = _list_of(tf.float32)
    item = {"item": tfds.features.Scalar(tf.int64)}
    for name, modality in metadata.modalities.items():
        item[name] = _list_of(tf.float32) if modality.stored_dtype == "float32" else tfds.features.Scalar(tf.string)
        if modality.tokens is not None and modality.tokens.times:
            item[time_feature(name)] = _list_of(tf.float32)
    _write(folder / INTERACTIONS_FOLDER, block, {name: split.shards for name, split in metadata.splits.items()})
    _write(folder / ITEMS_FOLDER, item, {"all": metadata.item_shards})
    if metadata.preferences is not None:
        scalars = {"user": tf.int64, "chosen": tf.int64}
        scalars |= {"weight": tf.float32} if metadata.preferences.weights else {}
        scalars |= {"source": tf.string} if metadata.preferences.sources else {}
        preference = {name: tfds.features.Scalar(dtype) for name, dtype in scalars.items()}
        shards = {name: split.shards for name, split in metadata.preferences.splits.items()}
        _write(folder / PREFERENCES_FOLDER, {**preference, "rejected": _list_of(tf.int64)}, shards)
    _rename_split(folder / ITEMS_FOLDER / "dataset_info.json", "all", ITEMS_FOLDER)


def _list_of(dtype: tf.DType) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=(None,), dtype=dtype)


def _write(
    folder: Path, features: dict[str, tfds.features.FeatureConnector], splits: dict[str, tuple[FileEntry, ...]]
) -> None:
    files = tfds.core.ShardedFileTemplate(data_dir=folder, dataset_name=folder.name, filetype_suffix="tfrecord")
    split_infos = [
        tfds.core.SplitInfo(
            name=name,
            shard_lengths=[shard.records for shard in shards],
            num_bytes=sum(shard.bytes for shard in shards),
            filename_template=files.replace(split=name),
        )
        for name, shards in splits.items()
    ]
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS warns of the missing citation and homepage
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=tfds.features.FeaturesDict(features),
        split_infos=split_infos,
        version="1.0.0",
        check_data=False,
    )


def _rename_split(path: Path, old: str, new: str) -> None:
    """Gives a split a name that is not in its file names, which ``write_metadata`` cannot do."""
    info = json.loads(path.read_text(encoding="utf-8"))
    for split in info["splits"]:
        if split["name"] == old:
            split["name"] = new
            split["filepathTemplate"] = split["filepathTemplate"].replace("{SPLIT}", old)
    path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
