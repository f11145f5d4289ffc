"""``metadata.json``: what a record set holds, file by file."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.funnel import Funnel
from tf_metammf.records.modality_entry import STORED_DTYPES, ModalityEntry

SCHEMA_VERSION = 5
"""The newest version. 2 added the indexes of the item shards, which version 1 does without; 3 token sequences and
features of 16 bits, 4 weights of interactions, 5 preferences."""

WEIGHTS_SCHEMA_VERSION = 4
"""What a record set with weights of interactions, and without preferences, is written as."""

TOKENS_SCHEMA_VERSION = 3
"""What a record set with token sequences or features of 16 bits, and without weights, is written as."""

VECTORS_SCHEMA_VERSION = 2
"""What one with one vector of float32 an item, and without weights, is written as, for earlier releases."""

METADATA_FILE = "metadata.json"


@dataclass(frozen=True)
class FileEntry:
    """One file of the record set.

    Attributes:
        path: Path inside the record set, with forward slashes.
        bytes: Size.
        sha256: Hexadecimal digest of the whole file.
        records: TFRecords inside (lines, for an id file; offsets, for an index).
        interactions: Interactions inside, for an interaction shard; else 0.
    """

    path: str
    bytes: int
    sha256: str
    records: int
    interactions: int = 0


@dataclass(frozen=True)
class SplitEntry:
    """One split: its number of interactions and its shards."""

    interactions: int
    shards: tuple[FileEntry, ...]


@dataclass(frozen=True)
class PreferencesEntry:
    """Preferences: items that users chose over others.

    Attributes:
        splits: By name: train, and validation for those that are held out; their interactions are preferences.
        rejected: Rejected items of all preferences together.
        weights: Whether preferences carry weights.
        sources: Whether they say where they come from.
    """

    splits: dict[str, SplitEntry]
    rejected: int
    weights: bool = False
    sources: bool = False

    @property
    def shards(self) -> tuple[FileEntry, ...]:
        """The files of all splits."""
        return tuple(shard for split in self.splits.values() for shard in split.shards)


@dataclass(frozen=True)
class Metadata:
    """Contents of ``metadata.json``.

    Attributes:
        name: Name of the data set.
        users: Number of users.
        items: Number of items.
        timestamps: Whether interactions carry timestamps.
        modalities: By name, in alphabetical order.
        splits: By name: train, validation, test.
        item_shards: Shards of the item features.
        id_files: ``users.txt`` and ``items.txt``.
        source: Where the data came from and what was done to it, as plain JSON values.
        item_indexes: Where the records of every item shard start, a file a shard; empty where there are none.
        schema_version: Version of this layout; by default the oldest that has a place for modalities and weights.
        funnel: What became of the rows that were read; None for record sets from before they were counted.
        weights: Whether interactions carry weights.
        preferences: The preferences; None where there are none.
    """

    name: str
    users: int
    items: int
    timestamps: bool
    modalities: dict[str, ModalityEntry]
    splits: dict[str, SplitEntry]
    item_shards: tuple[FileEntry, ...]
    id_files: tuple[FileEntry, ...]
    source: dict[str, Any]
    item_indexes: tuple[FileEntry, ...] = ()
    schema_version: int = 0
    funnel: Funnel | None = None
    weights: bool = False
    preferences: PreferencesEntry | None = None

    def __post_init__(self) -> None:
        if not self.schema_version:
            plain = all(modality.is_plain for modality in self.modalities.values())
            without_weights = VECTORS_SCHEMA_VERSION if plain else TOKENS_SCHEMA_VERSION
            oldest = WEIGHTS_SCHEMA_VERSION if self.weights else without_weights
            object.__setattr__(self, "schema_version", oldest if self.preferences is None else SCHEMA_VERSION)

    @property
    def interactions(self) -> int:
        """Interactions of all splits together."""
        return sum(split.interactions for split in self.splits.values())

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Every file of the record set but ``metadata.json`` and the TFDS metadata."""
        return (*self._data_files, *self.item_indexes)

    @property
    def checksum(self) -> str:
        """One sha256 over the checksums of all files: two record sets with the same checksum hold the same data.

        Indexes do not count, because they follow from the shards.
        """
        return _checksum_of(self._data_files)

    @property
    def checksum_without_preferences(self) -> str:
        """The checksum of the same record set without its preferences, which may be added and replaced later."""
        preferences = set() if self.preferences is None else set(self.preferences.shards)
        return _checksum_of(entry for entry in self._data_files if entry not in preferences)

    @property
    def sequences(self) -> dict[str, int]:
        """Tokens that no sequence has more of, by modality that has token sequences."""
        return {name: entry.tokens.most for name, entry in self.modalities.items() if entry.tokens is not None}

    @property
    def _data_files(self) -> tuple[FileEntry, ...]:
        shards = [shard for split in self.splits.values() for shard in split.shards]
        preferences = () if self.preferences is None else self.preferences.shards
        return (*self.id_files, *shards, *self.item_shards, *preferences)

    def write(self, folder: Path) -> None:
        """Writes ``metadata.json`` into ``folder``."""
        funnel = None if self.funnel is None else self.funnel.to_json()
        modalities = {name: modality.to_json() for name, modality in self.modalities.items()}
        content = {**asdict(self), "modalities": modalities, "funnel": funnel}
        if not self.weights:
            del content["weights"]  # as earlier releases wrote it
        if self.preferences is None:
            del content["preferences"]
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / METADATA_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Metadata":
        """Reads ``metadata.json`` of a record set.

        Raises:
            InvalidRecordSetError: There is none, it cannot be read, or it is of a newer schema version.
        """
        path = folder / METADATA_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InvalidRecordSetError(
                f"{folder}: has no {METADATA_FILE}, so it is not a record set. "
                'Make one with "tf-metammf records convert".'
            ) from None
        except (OSError, ValueError) as error:
            raise InvalidRecordSetError(f"{path}: cannot be read ({error}). Convert the raw data again.") from error
        return cls._from_json(content, path)

    @classmethod
    def _from_json(cls, content: Any, path: Path) -> "Metadata":
        version = content.get("schema_version") if isinstance(content, dict) else None
        if not isinstance(version, int):
            raise InvalidRecordSetError(f"{path}: has no schema_version. Convert the raw data again.")
        if version > SCHEMA_VERSION:
            raise InvalidRecordSetError(
                f"{path}: schema version {version} is newer than {SCHEMA_VERSION}, the newest this version of "
                "tf-metammf reads. Upgrade tf-metammf, or convert the raw data again."
            )
        try:
            metadata = cls(
                name=content["name"],
                users=content["users"],
                items=content["items"],
                timestamps=content["timestamps"],
                modalities={name: ModalityEntry.from_json(entry) for name, entry in content["modalities"].items()},
                splits=_splits(content["splits"]),
                item_shards=_file_entries(content["item_shards"]),
                id_files=_file_entries(content["id_files"]),
                source=content["source"],
                item_indexes=_file_entries(content["item_indexes"]) if version > 1 else (),
                schema_version=version,
                funnel=None if content.get("funnel") is None else Funnel.from_json(content["funnel"]),
                weights=content.get("weights", False),
                preferences=_preferences(content.get("preferences")),
            )
            _check_types(metadata)
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidRecordSetError(
                f"{path}: is incomplete or malformed ({error!r}). Convert the raw data again."
            ) from error
        return metadata


def file_entry(folder: Path, path: Path, *, records: int, interactions: int = 0) -> FileEntry:
    """Describes a file just written: its size and checksum."""
    return FileEntry(
        path=path.relative_to(folder).as_posix(),
        bytes=path.stat().st_size,
        sha256=sha256(path),
        records=records,
        interactions=interactions,
    )


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum_of(entries: Iterable[FileEntry]) -> str:
    lines = "".join(f"{entry.path} {entry.sha256}\n" for entry in entries)
    return hashlib.sha256(lines.encode()).hexdigest()


def _splits(content: dict[str, Any]) -> dict[str, SplitEntry]:
    return {name: SplitEntry(entry["interactions"], _file_entries(entry["shards"])) for name, entry in content.items()}


def _preferences(content: dict[str, Any] | None) -> PreferencesEntry | None:
    return None if content is None else PreferencesEntry(**{**content, "splits": _splits(content["splits"])})


def _file_entries(content: list[dict[str, Any]]) -> tuple[FileEntry, ...]:
    return tuple(FileEntry(**entry) for entry in content)


def _check_types(metadata: Metadata) -> None:
    """Sees that what others compute with and open is what it is said to be: JSON may hold anything.

    Raises:
        TypeError: A count is not a non-negative integer, or a name or path no text, or a path leads elsewhere.
    """
    counts = [metadata.users, metadata.items]
    counts += [count for entry in metadata.modalities.values() for count in (entry.width, entry.items)]
    sequences = [entry.tokens for entry in metadata.modalities.values() if entry.tokens is not None]
    counts += [count for tokens in sequences for count in (tokens.most, tokens.total)]
    counts += [split.interactions for split in metadata.splits.values()]
    counts += [count for entry in metadata.files for count in (entry.bytes, entry.records, entry.interactions)]
    if metadata.preferences is not None:
        counts += [metadata.preferences.rejected, *(each.interactions for each in metadata.preferences.splits.values())]
        if set(metadata.preferences.splits) != {"train", "validation"}:
            raise TypeError(f"preferences of {', '.join(metadata.preferences.splits)} instead of train and validation")
        if not isinstance(metadata.preferences.weights, bool) or not isinstance(metadata.preferences.sources, bool):
            raise TypeError("weights or sources of preferences is neither true nor false")
    for count in counts:
        if type(count) is not int or count < 0:
            raise TypeError(f"{count!r} instead of a number of at least 0")
    texts = [metadata.name, *(entry.source_dtype for entry in metadata.modalities.values())]
    texts += [text for entry in metadata.files for text in (entry.path, entry.sha256)]
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{text!r} instead of a text")
    for file in metadata.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts:
            raise TypeError(f"{file.path!r} instead of a path inside the record set")
    if len(metadata.item_indexes) not in (0, len(metadata.item_shards)):
        raise TypeError(f"{len(metadata.item_indexes)} indexes of {len(metadata.item_shards)} item shards")
    for entry in metadata.modalities.values():
        if entry.stored_dtype not in STORED_DTYPES:
            raise TypeError(f"stored_dtype {entry.stored_dtype!r} instead of one of {', '.join(STORED_DTYPES)}")
        if entry.width == 0 and entry.tokens is not None:
            raise TypeError("tokens of 0 values")
    if not all(isinstance(tokens.times, bool) for tokens in sequences):
        raise TypeError("times of tokens is neither true nor false")
    if not isinstance(metadata.timestamps, bool) or not isinstance(metadata.source, dict):
        raise TypeError(f"timestamps is {metadata.timestamps!r} and source is {metadata.source!r}")
    if not isinstance(metadata.weights, bool):
        raise TypeError(f"weights is {metadata.weights!r}")
