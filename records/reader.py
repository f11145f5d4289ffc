"""Reads a record set: interactions and items as `tf.data` pipelines, or whole as NumPy arrays."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, InvalidRecordSetError
from tf_metammf.records.batches import Batch, BatchPlan, in_memory_batches, needed_items, side_by_side
from tf_metammf.records.collected_features import collection_of
from tf_metammf.records.damage import damage_named
from tf_metammf.records.examples import interaction_columns, parse_blocks, parse_items
from tf_metammf.records.input_share import InputShare
from tf_metammf.records.item_features import ItemFeatures
from tf_metammf.records.item_lookup import ItemLookup
from tf_metammf.records.negatives import NegativeSampler
from tf_metammf.records.neighbours import NeighbourSampler
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.record_stream import (
    delivered,
    records_in_memory,
    records_in_order,
    shared_records,
    shuffled_in_buffer,
    stream_seed,
)
from tf_metammf.records.streamed_batches import BLOCKS_MIXED, streamed_batches
from tf_metammf.records.token_sequences import FeatureForm

_ITEMS_AT_ONCE = 1024


def interactions(
    record_set: RecordSet,
    split: str = "train",
    *,
    batch_size: int,
    shuffle_seed: int | tf.Tensor | None = None,
    epochs: int | None = 1,
    first_epoch: int = 0,
    drop_remainder: bool = False,
    smallest_batch: int = 1,
    negatives: NegativeSampler | None = None,
    neighbours: NeighbourSampler | None = None,
    item_features: ItemLookup | None = None,
    weights: bool = True,
    memory_budget: int = 2**30,
    in_shards: bool = False,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Batches of interactions, every interaction once an epoch.

    The order of an epoch depends on ``shuffle_seed`` and the number of the epoch alone (and its
    negatives on the seed of the sampler), so a training that is resumed with ``first_epoch`` sees
    what an uninterrupted one would have seen. No batch crosses the border of two epochs. Every
    iteration over the dataset starts at ``first_epoch`` again: for ``fit``, which starts one
    iteration an epoch unless the dataset is endless, use ``epochs=None`` and ``steps_per_epoch``.

    A split that fits the memory budget is read at once, and every epoch is an exact permutation
    of it. Beyond the budget, shards are interleaved, their blocks mixed in a buffer and the
    interactions of neighbouring blocks permuted; that order also depends on
    ``tf.random.set_seed``, if it is used.

    Args:
        record_set: The record set.
        split: Name of the split.
        batch_size: Interactions of a batch; of a global batch, where ``input_context`` is given.
        shuffle_seed: Seed of the order; None keeps the order on disk.
        epochs: Number of epochs; None for endless epochs.
        first_epoch: Number of the first epoch.
        drop_remainder: Whether to leave out the last, smaller batch of an epoch.
        smallest_batch: Interactions that the last batch of an epoch needs; fewer join the batch before it, which is
            then larger. An objective whose negatives are the other rows of the batch needs 2.
        negatives: Adds sampled negatives to every batch.
        neighbours: Adds to every batch the sampled neighbourhood of its users, items and negatives.
        item_features: Adds to every batch the features of the items that it needs, each item once. Without it,
            the model has to have them.
        weights: Whether batches have the weights of interactions, where the record set has them. Without, all
            interactions count the same.
        memory_budget: Bytes that the interactions may take. In memory they take 8 for each
            column and 16 for two permutations: 32 an interaction, 40 with timestamps, 8 more with weights.
        in_shards: Reads from the shards whatever the budget: what other processes are to run, such as the workers of
            a parameter server, must not hold what this one has read.
        input_context: Delivers only the part of an input worker, in batches for one replica, as
            ``tf.distribute.Strategy.distribute_datasets_from_function`` asks for. The parts of all
            workers are every interaction once. In memory, the batches of all replicas in one step
            are together the batch that one process would see. Use ``drop_remainder`` for
            training: a replica's part of the last batch is empty where fewer interactions than
            replicas are left.

    Returns:
        A prefetched dataset with elements ``{"user": int64 [B], "item": int64 [B]}``, and ``"timestamp": int64 [B]``
        and ``"weight": float32 [B]`` where the record set has them, and ``"negative": int64 [B, n]`` with
        ``negatives``, and ``"neighbourhood"`` with ``neighbours`` (see :meth:`NeighbourSampler.sample`), and
        ``"item_features"`` with ``item_features``: what :meth:`ItemLookup.lookup` gives for the distinct items among
        positives and negatives, in the order of ``tf.unique``, or for the items of the neighbourhood.
        ``B`` is ``batch_size`` (with ``input_context``, its part for one replica); the last batch of an epoch is
        smaller, or larger (see ``smallest_batch``), and ``B`` not static, unless ``drop_remainder``. The cardinality
        is known, but for a part of a split beyond the memory budget.

    Raises:
        InvalidInputError: The split is not known, or an argument is out of range.
        InvalidRecordSetError: A shard is damaged or does not fit ``metadata.json``; shard and record
            are named. Beyond the memory budget, iterating raises TensorFlow's own errors, for which
            :func:`tf_metammf.records.explain_damage` names the record.
    """
    if memory_budget < 0:
        raise InvalidInputError(f"memory_budget is {memory_budget}, expected bytes, at least 0.")
    plan = BatchPlan(
        share=InputShare.of(batch_size, input_context),
        shuffle_seed=shuffle_seed,
        epochs=epochs,
        first_epoch=first_epoch,
        drop_remainder=drop_remainder,
        smallest_batch=smallest_batch,
        negatives=negatives,
        neighbours=neighbours,
        weights=weights,
    )
    record_set.interaction_shards(split)  # refuses an unknown split
    names = plan.columns(record_set.metadata)
    needed = record_set.metadata.splits[split].interactions * 8 * (len(names) + 2)
    if in_shards or needed > memory_budget:
        batches = streamed_batches(record_set, split, plan, memory_budget=memory_budget)
    else:
        table = tf.concat([tf.zeros([0, len(names)], tf.int64), *_read_parts(record_set, split, names)], axis=0)
        batches = in_memory_batches(table, names, plan)
    if item_features is None:
        return delivered(batches)

    @tf.autograph.experimental.do_not_convert
    def with_features(batch: Batch) -> Batch:
        return {**batch, "item_features": item_features.lookup(needed_items(batch))}

    return delivered(batches.map(with_features, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True))


def items(
    record_set: RecordSet,
    *,
    batch_size: int,
    shuffle_seed: int | tf.Tensor | None = None,
    drop_remainder: bool = False,
    memory_budget: int = 2**30,
    input_context: tf.distribute.InputContext | None = None,
    form: FeatureForm = "tokens",
) -> tf.data.Dataset:
    """Batches of items with their features, every item once.

    Args:
        record_set: The record set.
        batch_size: Items of a batch; of a global batch, where ``input_context`` is given.
        shuffle_seed: Seed of the order; None keeps the order on disk, which is by item id. The
            order also depends on ``tf.random.set_seed``, if it is used.
        drop_remainder: Whether to leave out the last, smaller batch.
        memory_budget: Bytes of the buffer that items are shuffled in; the order is an exact
            permutation if it holds all of them.
        input_context: Delivers only the items of an input worker, in batches for one replica.
        form: Whether token sequences come as they are, or as the mean over the tokens of each item.

    Returns:
        A prefetched dataset with elements ``{"item": int64 [B], "features": {modality: float32 [B, width]},
        "presence": {modality: bool [B]}}``. The features of an absent modality are zeros. Token sequences are
        :class:`tf_metammf.records.TokenSequences`, padded to the longest of the batch. ``B`` is static with
        ``drop_remainder``.

    Raises:
        InvalidInputError: An argument is out of range. Iterating over a damaged shard raises TensorFlow's
            own errors, for which :func:`tf_metammf.records.explain_damage` names the record.
    """
    metadata, share = record_set.metadata, InputShare.of(batch_size, input_context)
    shards = record_set.item_shards()
    if shuffle_seed is None:
        records = shared_records(shards, share, seed=None)
    else:
        epoch = tf.constant(0, tf.int64)
        records = shared_records(shards, share, seed=stream_seed(shuffle_seed, epoch, 0))
        size = records_in_memory(metadata.item_shards, memory_budget)
        records = shuffled_in_buffer(records, seed=stream_seed(shuffle_seed, epoch, 1), size=size)
    batches = records.batch(share.replica_batch_size, drop_remainder=drop_remainder)
    parse = partial(parse_items, metadata=metadata, form=form)
    parsed = batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return delivered(parsed)


def read_interactions(record_set: RecordSet, split: str) -> Interactions:
    """Reads all interactions of a split into NumPy arrays, in the order on disk.

    Args:
        record_set: The record set.
        split: Name of the split.

    Returns:
        Dense ids, and timestamps and weights where the record set has them.

    Raises:
        InvalidInputError: The split is not known.
        InvalidRecordSetError: A shard is damaged or does not fit ``metadata.json``; shard and record are named.
    """
    record_set.interaction_shards(split)  # refuses an unknown split
    total = record_set.metadata.splits[split].interactions
    names = interaction_columns(record_set.metadata)
    types = {name: np.float32 if name == "weight" else np.int64 for name in names}
    columns: dict[str, NDArray[Any]] = {name: np.empty(total, types[name]) for name in names}
    first = 0
    for part in _read_parts(record_set, split, names):
        for name, values in zip(names, part.numpy().T, strict=True):
            found = values.astype(np.int32).view(np.float32) if name == "weight" else values
            columns[name][first : first + len(values)] = found
        first += len(part)
    return Interactions(
        columns["user"], columns["item"], timestamp=columns.get("timestamp"), weight=columns.get("weight")
    )


def read_items(record_set: RecordSet, *, form: FeatureForm = "tokens") -> ItemFeatures:
    """Reads the features of all items into NumPy arrays.

    Args:
        record_set: The record set.
        form: Whether token sequences are returned as they are, or as the mean over the tokens of each item.

    Returns:
        Features and presence, row ``i`` for dense item id ``i``.

    Raises:
        InvalidRecordSetError: A shard is damaged or does not fit ``metadata.json``; shard and record
            are named. Or an item does not occur exactly once.
    """
    metadata = record_set.metadata
    features = {name: collection_of(metadata.items, entry, form) for name, entry in metadata.modalities.items()}
    presence = {name: np.zeros(metadata.items, bool) for name in metadata.modalities}
    times = np.zeros(metadata.items, np.int64)
    with damage_named(record_set):
        for batch in items(record_set, batch_size=_ITEMS_AT_ONCE, form=form).as_numpy_iterator():
            rows = batch["item"]
            np.add.at(times, rows, 1)
            for name in metadata.modalities:
                features[name].add(rows, batch["features"][name])
                presence[name][rows] = batch["presence"][name]
    if (times != 1).any():
        item = int(np.argmax(times != 1))
        raise InvalidRecordSetError(
            f"{record_set.folder}: item {item} occurs {times[item]} times in the item shards, expected once. "
            'See "tf-metammf records validate", then convert the raw data again.'
        )
    return ItemFeatures({name: collected.result() for name, collected in features.items()}, presence)


def _read_parts(record_set: RecordSet, split: str, names: Sequence[str]) -> Iterator[tf.Tensor]:
    """All interactions of a split in the order on disk, part after part, as :func:`side_by_side` lays them out."""
    metadata = record_set.metadata

    @tf.autograph.experimental.do_not_convert
    def rows(blocks: tf.Tensor) -> tf.Tensor:
        return side_by_side(parse_blocks(blocks, metadata), names)

    entry = metadata.splits[split]
    blocks = records_in_order(record_set.interaction_shards(split)).batch(BLOCKS_MIXED)
    if sum(shard.records for shard in entry.shards) <= BLOCKS_MIXED:
        parts = map(rows, blocks)  # tracing takes longer than one part
    else:
        parts = delivered(blocks.map(rows, num_parallel_calls=tf.data.AUTOTUNE))
    expected, found = entry.interactions, 0
    with damage_named(record_set):
        for part in parts:
            found += len(part)
            if found <= expected:
                yield part
    if found != expected:
        raise InvalidRecordSetError(
            f'{record_set.folder}: split "{split}" has {found} interactions, metadata.json says {expected}. '
            'See "tf-metammf records validate", then convert the raw data again.'
        )
