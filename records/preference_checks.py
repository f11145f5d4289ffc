"""Whether the preferences of a record set go with its interactions."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.metadata import METADATA_FILE, FileEntry, Metadata
from tf_metammf.records.preference_shards import preference_problem
from tf_metammf.records.preferences import HELD_OUT, TRAINING
from tf_metammf.records.shard_records import read_examples

Problem = tuple[str, str]
"""Where something is not as it has to be, and what was found."""


def preference_findings(
    folder: Path, metadata: Metadata, interactions: Mapping[str, NDArray[np.int64]]
) -> Iterator[Problem]:
    """What is wrong with the preferences of a record set.

    Args:
        folder: The record set.
        metadata: Its metadata.
        interactions: Keys ``user * items + item`` of the interactions by split.
    """
    if metadata.preferences is None:
        return
    rejected_of_all = 0
    keys_of_split: dict[str, NDArray[np.int64]] = {}
    for split, entry in metadata.preferences.splits.items():
        chosen: list[int] = []
        rejected: list[int] = []
        for shard in entry.shards:
            yield from _shard(folder, shard, metadata, chosen, rejected)
        if sum(shard.interactions for shard in entry.shards) != entry.interactions:
            yield METADATA_FILE, f'preferences of "{split}" are not those of their shards'
        rejected_of_all += len(rejected)
        keys = {"chosen": np.array(chosen, np.int64), "rejected": np.array(rejected, np.int64)}
        keys_of_split[split] = keys["chosen"]
        yield from _overlaps(split, keys, metadata, interactions)
    if rejected_of_all != metadata.preferences.rejected:
        yield METADATA_FILE, f"preferences have {rejected_of_all} rejected items, not {metadata.preferences.rejected}"
    shared = np.intersect1d(keys_of_split[TRAINING], keys_of_split[HELD_OUT])
    if len(shared):
        yield "preferences", f"{_pair(shared[0], metadata)} is chosen in training and held out"


def _shard(
    folder: Path, shard: FileEntry, metadata: Metadata, chosen: list[int], rejected: list[int]
) -> Iterator[Problem]:
    """What is wrong with a shard; adds the keys of its items."""
    path, records = folder / shard.path, 0
    if not path.is_file():
        return
    try:
        for record, example in enumerate(read_examples(path)):
            records += 1
            problem = preference_problem(example, metadata)
            if problem:
                yield shard.path, f"record {record} {problem}"
                continue
            feature = example.features.feature
            user = feature["user"].int64_list.value[0] * metadata.items
            chosen.append(user + feature["chosen"].int64_list.value[0])
            rejected.extend(user + item for item in feature["rejected"].int64_list.value)
    except InvalidRecordSetError as error:
        yield shard.path, str(error).removeprefix(f"{path.name}: ")
        return
    if records != shard.records:
        yield shard.path, f"has {records} records, metadata.json says {shard.records}"


def _overlaps(
    split: str,
    keys: Mapping[str, NDArray[np.int64]],
    metadata: Metadata,
    interactions: Mapping[str, NDArray[np.int64]],
) -> Iterator[Problem]:
    must_not_be_in = {"rejected": list(interactions), "chosen": ["test"]}
    if split == TRAINING:
        must_not_be_in["chosen"] = ["validation", "test"]
    for kind, others in must_not_be_in.items():
        for other in others:
            shared = np.intersect1d(keys[kind], interactions.get(other, np.zeros(0, np.int64)))
            if len(shared):
                yield (
                    f'preferences of "{split}"',
                    f"{len(shared)} {kind} items are {other} interactions of the user, first "
                    f"{_pair(shared[0], metadata)}",
                )


def _pair(key: np.int64, metadata: Metadata) -> str:
    user, item = divmod(int(key), metadata.items)
    return f"user {user}, item {item}"
