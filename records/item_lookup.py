"""The features of any items, read from the item shards when they are needed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, InvalidRecordSetError, unknown_name
from tf_metammf.records.damage import damage_named
from tf_metammf.records.examples import parse_items
from tf_metammf.records.item_index import FRAME_BYTES, HEADER_BYTES, record_starts
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.record_stream import delivered, records_in_order
from tf_metammf.records.token_sequences import FeatureForm

_SHARDS_AT_ONCE = 64
_TRAILER_BYTES = FRAME_BYTES - HEADER_BYTES
_LENGTH_BYTES = 8
_OUT_OF_ORDER = "an item shard has another item than its index says. Are the items in the order of their ids?"


class ItemLookup:
    """Reads the features of given items, for catalogues that do not fit into memory.

    It holds where every item starts, 8 bytes an item, and nothing else. Items are read and not memory-mapped, since
    mapped pages would count as memory of the process. What has lately been read, the operating system keeps
    in its page cache as long as it has room.

    Checksums of single records are not verified here, but whatever reads all items, :meth:`blocks` included,
    verifies them.

    Args:
        record_set: The record set; item i has to be the i-th record of its item shards, as
            :func:`tf_metammf.records.write_record_set` writes them.
        modalities: Names of the modalities to read; None for all.
        form: Whether token sequences are given as they are, or as the mean over the tokens of each item. Defaults to
            ``"tokens"``.

    Attributes:
        form: What it gives of token sequences.
        items: Number of items.
        tokens: Tokens that no sequence has more of, by modality that has token sequences.
        widths: Feature width by modality name, in alphabetical order; that of a token, where there are sequences.

    Raises:
        InvalidInputError: A modality is not known.
        InvalidRecordSetError: An index is damaged.
    """

    def __init__(
        self, record_set: RecordSet, *, modalities: Sequence[str] | None = None, form: FeatureForm = "tokens"
    ) -> None:
        if form not in get_args(FeatureForm):
            raise unknown_name("form", form, get_args(FeatureForm))
        self._record_set = record_set
        self._metadata = _with_modalities(record_set.metadata, modalities)
        self.form = form
        self.tokens = dict(sorted(self._metadata.sequences.items()))
        self.items = self._metadata.items
        self.widths = {name: modality.width for name, modality in sorted(self._metadata.modalities.items())}
        starts = record_starts(record_set)
        self._starts = np.concatenate([*starts, [0]])
        self._first_of_shard = np.cumsum([0, *(len(of_shard) for of_shard in starts)])
        self._shard_bytes = np.array([shard.bytes for shard in self._metadata.item_shards], np.int64)
        if len(self._starts) != self.items + 1:
            raise InvalidRecordSetError(
                f"{record_set.folder}: has {len(self._starts) - 1} records in its item shards, metadata.json says "
                f'{self.items} items. See "tf-metammf records validate", then convert the raw data again.'
            )

    def lookup(self, items: tf.Tensor) -> dict[str, Any]:
        """Features of items; a pure function of its argument, usable inside ``tf.data``.

        Args:
            items: Dense item ids, int64 ``[n]``.

        Returns:
            ``item``: the ids; ``features``: float32 ``[n, width]`` by modality, zeros where absent, or
            :class:`tf_metammf.records.TokenSequences`; ``presence``: bool ``[n]`` by modality.

        Raises:
            tf.errors.InvalidArgumentError: A record or an index is damaged;
                :func:`tf_metammf.records.explain_damage` says which.
        """
        records = tf.numpy_function(self.read, [items], tf.string, stateful=False)
        parsed = parse_items(tf.ensure_shape(records, items.shape), self._metadata, form=self.form)
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(parsed["item"] == items), [_OUT_OF_ORDER])]):
            return tf.nest.map_structure(tf.identity, parsed)

    def read(self, items: NDArray[np.int64]) -> NDArray[np.object_]:
        """Serialized Examples, bytes ``[n]``, of dense item ids ``[n]``.

        Raises:
            InvalidInputError: An id is out of range.
            InvalidRecordSetError: A record is not where the index says, or is truncated.
            OSError: A shard cannot be read.
        """
        if len(items) and not 0 <= items.min() <= items.max() < self.items:
            raise InvalidInputError(
                f"the item ids are from {items.min()} to {items.max()}, expected 0 to {self.items - 1}."
            )
        shard_of = np.searchsorted(self._first_of_shard, items, side="right") - 1
        starts = self._starts[items]
        is_last = items + 1 == self._first_of_shard[shard_of + 1]
        ends = np.where(is_last, self._shard_bytes[shard_of], self._starts[items + 1])
        records = np.empty(len(items), object)
        in_order = np.lexsort((starts, shard_of))
        by_shard = np.split(in_order, np.flatnonzero(np.diff(shard_of[in_order])) + 1)
        for some in range(0, len(by_shard), _SHARDS_AT_ONCE):
            rows = np.concatenate(by_shard[some : some + _SHARDS_AT_ONCE])
            read = self._read_ranges(shard_of[rows], starts[rows], ends[rows] - _TRAILER_BYTES)
            for row, record in zip(rows.tolist(), read, strict=True):
                if int.from_bytes(record[:_LENGTH_BYTES], "little") != len(record) - HEADER_BYTES:
                    raise self._damage(int(items[row]), int(shard_of[row]))
                records[row] = record[HEADER_BYTES:]
        return records

    def blocks(self, size: int) -> Iterator[tuple[dict[str, Any], dict[str, tf.Tensor]]]:
        """Features and presence ``[n]`` by modality of all items, ``size`` after ``size`` by dense id.

        Features are as those of :meth:`lookup`.

        Raises:
            InvalidRecordSetError: A shard is damaged, or the items are not in the order of their ids.
        """
        with damage_named(self._record_set):
            records = records_in_order(self._record_set.item_shards()).batch(size)
            parse = partial(parse_items, metadata=self._metadata, form=self.form)
            parsed = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
            first = 0
            for block in delivered(parsed):
                ids = block["item"].numpy()
                if (ids != np.arange(first, first + len(ids))).any():
                    raise InvalidRecordSetError(f"{self._record_set.folder}: {_OUT_OF_ORDER} Convert again.")
                first += len(ids)
                yield block["features"], block["presence"]

    def _read_ranges(
        self, shards: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> list[bytes]:
        """The bytes from ``starts`` to ``ends`` of the given shards."""
        with ExitStack() as opened:
            # Opened for this once: there may be more shards than a process may have open files.
            descriptor_of = {int(shard): self._open(int(shard), opened) for shard in np.unique(shards)}
            ranges = [
                (descriptor_of[shard], end - start, start)
                for shard, start, end in zip(shards.tolist(), starts.tolist(), ends.tolist(), strict=True)
            ]
            if hasattr(os, "posix_fadvise"):
                # The system fetches from disk all at once what would else be waited for one by one.
                for descriptor, length, start in ranges:
                    os.posix_fadvise(descriptor, start, length, os.POSIX_FADV_WILLNEED)
            return [os.pread(*each) for each in ranges]

    def _damage(self, item: int, shard: int) -> InvalidRecordSetError:
        name = Path(self._metadata.item_shards[shard].path).name
        return InvalidRecordSetError(
            f"{name}: record {item - self._first_of_shard[shard]} is truncated, or not where its index says. "
            'See "tf-metammf records validate", then convert the raw data again.'
        )

    def _open(self, shard: int, opened: ExitStack) -> int:
        descriptor = os.open(self._record_set.folder / self._metadata.item_shards[shard].path, os.O_RDONLY)
        opened.callback(os.close, descriptor)
        return descriptor


def _with_modalities(metadata: Metadata, modalities: Sequence[str] | None) -> Metadata:
    if modalities is None:
        return metadata
    for name in modalities:
        if name not in metadata.modalities:
            raise unknown_name("modality", name, metadata.modalities)
    return replace(metadata, modalities={name: metadata.modalities[name] for name in sorted(modalities)})
