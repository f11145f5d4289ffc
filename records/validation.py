"""Checks that a record set holds what its metadata says: bytes, counts, ranges, widths, splits."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.item_index import index_problem
from tf_metammf.records.metadata import METADATA_FILE, FileEntry, Metadata, sha256
from tf_metammf.records.preference_checks import preference_findings
from tf_metammf.records.record_problems import block_problem, item_problem, stored_values
from tf_metammf.records.record_set import (
    INTERACTIONS_FOLDER,
    ITEMS_FILE,
    ITEMS_FOLDER,
    PREFERENCES_FOLDER,
    USERS_FILE,
)
from tf_metammf.records.shard_records import read_examples

_TFDS_INFO = "dataset_info.json"
_TFDS_FILES = (_TFDS_INFO, "features.json")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it has to be.

    Attributes:
        place: The file, and the record where it is one.
        problem: What was found and what was expected.
    """

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


def validate(folder: str | Path) -> list[Finding]:
    """Checks every file, record and id of a record set.

    Args:
        folder: The record set.

    Returns:
        All findings, in the order of the files; empty if all is well.

    Raises:
        InvalidRecordSetError: There is no ``metadata.json`` that this version can read.
    """
    folder = Path(folder)
    metadata = Metadata.read(folder)
    findings = list(_files(folder, metadata))
    findings += _tfds_metadata(folder, metadata)
    findings += _ids(folder, metadata)
    pairs = {}
    for split, entry in metadata.splits.items():
        keys = []
        for shard in entry.shards:
            shard_keys, shard_findings = _interaction_shard(folder, shard, metadata)
            keys.append(shard_keys)
            findings += shard_findings
        pairs[split] = np.concatenate(keys) if keys else np.zeros(0, np.int64)
        if sum(shard.interactions for shard in entry.shards) != entry.interactions:
            findings.append(Finding(METADATA_FILE, f'split "{split}" does not have the interactions of its shards'))
    findings += _overlaps(pairs, metadata)
    findings += _items(folder, metadata)
    for place, problem in preference_findings(folder, metadata, pairs):
        findings.append(Finding(place, problem))
    return findings


def _files(folder: Path, metadata: Metadata) -> Iterator[Finding]:
    expected = {METADATA_FILE, *(entry.path for entry in metadata.files)}
    parts = (INTERACTIONS_FOLDER, ITEMS_FOLDER, *(() if metadata.preferences is None else (PREFERENCES_FOLDER,)))
    expected |= {f"{part}/{name}" for part in parts for name in _TFDS_FILES}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for path in sorted(expected - found):
        yield Finding(path, "is missing")
    for path in sorted(found - expected):
        yield Finding(path, "is not part of the record set")
    for entry in metadata.files:
        if entry.path not in found:
            continue
        size = (folder / entry.path).stat().st_size
        if size != entry.bytes:
            yield Finding(entry.path, f"has {size} bytes, metadata.json says {entry.bytes}")
        elif sha256(folder / entry.path) != entry.sha256:
            yield Finding(entry.path, "does not match its checksum in metadata.json")


def _tfds_metadata(folder: Path, metadata: Metadata) -> Iterator[Finding]:
    """What ``tfds.builder_from_directory`` would stumble over; these files have no checksum in metadata.json."""
    shards_of_folder = {
        INTERACTIONS_FOLDER: {name: split.shards for name, split in metadata.splits.items()},
        ITEMS_FOLDER: {ITEMS_FOLDER: metadata.item_shards},
    }
    if metadata.preferences is not None:
        splits = metadata.preferences.splits
        shards_of_folder[PREFERENCES_FOLDER] = {name: split.shards for name, split in splits.items()}
    for part, shards in shards_of_folder.items():
        for file in _TFDS_FILES:
            if not (folder / part / file).is_file():
                continue
            try:
                content = json.loads((folder / part / file).read_bytes())
            except ValueError as error:
                yield Finding(f"{part}/{file}", f"is not JSON ({error})")
                continue
            if file == _TFDS_INFO and _shard_lengths(content) != {
                name: [entry.records for entry in entries] for name, entries in shards.items()
            }:
                yield Finding(f"{part}/{file}", "does not match the splits or records per shard in metadata.json")


def _shard_lengths(dataset_info: Any) -> dict[str, list[int]] | None:
    """Records of the shards by split, as TFDS has them; None where it has not."""
    try:
        return {split["name"]: [int(length) for length in split["shardLengths"]] for split in dataset_info["splits"]}
    except (KeyError, TypeError, ValueError):
        return None


def _ids(folder: Path, metadata: Metadata) -> Iterator[Finding]:
    for file, count in ((USERS_FILE, metadata.users), (ITEMS_FILE, metadata.items)):
        path = folder / file
        if not path.is_file():
            continue
        try:
            ids = path.read_text(encoding="utf-8").split("\n")[:-1]
        except UnicodeDecodeError as error:
            yield Finding(file, f"is not UTF-8 ({error.reason} at byte {error.start})")
            continue
        if len(ids) != count:
            yield Finding(file, f"has {len(ids)} ids, metadata.json says {count}")
        first: dict[str, int] = {}
        for line, raw in enumerate(ids, start=1):
            if not raw:
                yield Finding(file, f"line {line} is empty")
            elif raw in first:
                yield Finding(file, f'line {line} has the id "{raw}", as line {first[raw]} has')
            first.setdefault(raw, line)


def _interaction_shard(folder: Path, shard: FileEntry, metadata: Metadata) -> tuple[NDArray[np.int64], list[Finding]]:
    """Keys ``user * items + item`` of a shard, and what is wrong with it."""
    path = folder / shard.path
    if not path.is_file():
        return np.zeros(0, np.int64), []
    keys, findings, records = [], [], 0
    try:
        for record, example in enumerate(read_examples(path)):
            records += 1
            problem = block_problem(example, metadata)
            if problem:
                findings.append(Finding(shard.path, f"record {record} {problem}"))
            else:
                users, items = (example.features.feature[name].int64_list.value for name in ("user", "item"))
                keys.append(np.array(users, np.int64) * metadata.items + np.array(items, np.int64))
    except InvalidRecordSetError as error:
        return np.zeros(0, np.int64), [*findings, _damage(shard, error)]
    read = np.concatenate(keys) if keys else np.zeros(0, np.int64)
    if records != shard.records:
        findings.append(Finding(shard.path, f"has {records} records, metadata.json says {shard.records}"))
    if not findings and len(read) != shard.interactions:
        findings.append(Finding(shard.path, f"has {len(read)} interactions, metadata.json says {shard.interactions}"))
    return read, findings


def _overlaps(pairs: dict[str, NDArray[np.int64]], metadata: Metadata) -> Iterator[Finding]:
    for split, keys in pairs.items():
        distinct, counts = np.unique(keys, return_counts=True)
        if (counts > 1).any():
            first = _pair(distinct[counts > 1][0], metadata)
            yield Finding(f'split "{split}"', f"has {int((counts - 1).sum())} duplicate interactions, first {first}")
    for one, other in combinations(pairs, 2):
        shared = np.intersect1d(pairs[one], pairs[other])
        if len(shared):
            first = _pair(shared[0], metadata)
            yield Finding(f'splits "{one}" and "{other}"', f"share {len(shared)} interactions, first {first}")


def _pair(key: np.int64, metadata: Metadata) -> str:
    user, item = divmod(int(key), metadata.items)
    return f"user {user}, item {item}"


def _items(folder: Path, metadata: Metadata) -> Iterator[Finding]:
    times = np.zeros(metadata.items, np.int64)
    present, tokens = dict.fromkeys(metadata.modalities, 0), dict.fromkeys(metadata.modalities, 0)
    whole = True
    index_of = dict(zip(metadata.item_shards, metadata.item_indexes, strict=False))
    for shard in metadata.item_shards:
        path = folder / shard.path
        if not path.is_file():
            whole = False
            continue
        records = 0
        try:
            for record, example in enumerate(read_examples(path)):
                records += 1
                problem = _item_problem(example, metadata, times, present, tokens)
                if problem:
                    yield Finding(shard.path, f"record {record} {problem}")
        except InvalidRecordSetError as error:
            whole = False
            yield _damage(shard, error)
            continue
        if records != shard.records:
            yield Finding(shard.path, f"has {records} records, metadata.json says {shard.records}")
        elif shard in index_of:
            problem = index_problem(folder / index_of[shard].path, path, records)
            if problem:
                yield Finding(index_of[shard].path, problem)
    if not whole:
        return
    for name, modality in metadata.modalities.items():
        if present[name] != modality.items:
            yield Finding(
                METADATA_FILE,
                f'modality "{name}" is on {present[name]} items, metadata.json says {modality.items}',
            )
        if modality.tokens is not None and tokens[name] != modality.tokens.total:
            yield Finding(
                METADATA_FILE,
                f'modality "{name}" has {tokens[name]} tokens, metadata.json says {modality.tokens.total}',
            )
    for problem, items in (("is missing", np.flatnonzero(times == 0)), ("occurs twice", np.flatnonzero(times > 1))):
        if len(items):
            yield Finding(ITEMS_FOLDER, f"item {items[0]} {problem}" + _and_others(len(items) - 1))


def _item_problem(
    example: tf.train.Example,
    metadata: Metadata,
    times: NDArray[np.int64],
    present: dict[str, int],
    tokens: dict[str, int],
) -> str | None:
    """What is wrong with an item; counts it in ``times``, its modalities in ``present``, and what they have."""
    ids = example.features.feature["item"].int64_list.value
    if len(ids) == 1 and 0 <= ids[0] < metadata.items:
        times[ids[0]] += 1
    values = {name: stored_values(example, name, entry) for name, entry in metadata.modalities.items()}
    for name, of_modality in values.items():
        present[name] += len(of_modality) > 0
        tokens[name] += len(of_modality) // max(metadata.modalities[name].width, 1)
    problem = item_problem(example, metadata)
    if problem:
        return problem
    for name, of_modality in values.items():
        if not np.isfinite(of_modality).all():
            return f'has NaN or infinite values for modality "{name}"'
    return None


def _damage(shard: FileEntry, error: InvalidRecordSetError) -> Finding:
    return Finding(shard.path, str(error).removeprefix(f"{Path(shard.path).name}: "))


def _and_others(count: int) -> str:
    return f", and so {'does' if count == 1 else 'do'} {count} more" if count else ""
