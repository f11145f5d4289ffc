"""A record set on disk, opened."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tf_metammf.errors import InvalidRecordSetError, unknown_name
from tf_metammf.records.metadata import Metadata

USERS_FILE = "users.txt"
ITEMS_FILE = "items.txt"
INTERACTIONS_FOLDER = "interactions"
ITEMS_FOLDER = "items"
PREFERENCES_FOLDER = "preferences"


@dataclass(frozen=True)
class RecordSet:
    """A folder of TFRecord shards with its metadata.

    Open one with :func:`open_record_set`; read it with
    :func:`tf_metammf.records.interactions` and :func:`tf_metammf.records.items`.

    Attributes:
        folder: Where it is.
        metadata: Contents of its ``metadata.json``.
    """

    folder: Path
    metadata: Metadata

    @cached_property
    def user_ids(self) -> list[str]:
        """Raw user ids; the position is the dense id."""
        return self._ids(USERS_FILE, self.metadata.users)

    @cached_property
    def item_ids(self) -> list[str]:
        """Raw item ids; the position is the dense id."""
        return self._ids(ITEMS_FILE, self.metadata.items)

    def interaction_shards(self, split: str) -> list[Path]:
        """Paths of the interaction shards of a split.

        Raises:
            InvalidInputError: There is no such split.
        """
        if split not in self.metadata.splits:
            raise unknown_name("split", split, self.metadata.splits)
        return [self.folder / shard.path for shard in self.metadata.splits[split].shards]

    def item_shards(self) -> list[Path]:
        """Paths of the item shards."""
        return [self.folder / shard.path for shard in self.metadata.item_shards]

    def _ids(self, file: str, expected: int) -> list[str]:
        path = self.folder / file
        try:
            ids = path.read_text(encoding="utf-8").split("\n")[:-1]
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRecordSetError(f"{path}: cannot be read ({error}). Convert the raw data again.") from error
        if len(ids) != expected:
            raise InvalidRecordSetError(
                f"{path}: has {len(ids)} ids, metadata.json says {expected}. Convert the raw data again."
            )
        return ids


def open_record_set(folder: str | Path) -> RecordSet:
    """Opens a record set: reads its metadata and sees that every shard is there with the right size.

    Checksums are verified by ``tf-metammf records validate``, not here.

    Args:
        folder: The record set.

    Returns:
        The opened record set.

    Raises:
        InvalidRecordSetError: It is no record set, is of a newer schema version, or a file is
            missing or of another size than ``metadata.json`` says.
    """
    folder = Path(folder)
    metadata = Metadata.read(folder)
    for entry in metadata.files:
        path = folder / entry.path
        if not path.is_file():
            raise InvalidRecordSetError(f"{path}: is missing, metadata.json names it. Convert the raw data again.")
        if path.stat().st_size != entry.bytes:
            raise InvalidRecordSetError(
                f"{path}: has {path.stat().st_size} bytes, metadata.json says {entry.bytes}. "
                'See "tf-metammf records validate", then convert the raw data again.'
            )
    return RecordSet(folder, metadata)
