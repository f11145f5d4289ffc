"""What an extraction has done so far, in one SQLite file: killed at any moment, it goes on from there."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.decoding.requests import Problem
from tf_metammf.records.media.media_files import Member
from tf_metammf.records.metadata import sha256

_PAGE = 500
_TABLES = """
CREATE TABLE IF NOT EXISTS members (item TEXT, role TEXT, value TEXT, PRIMARY KEY (item, role)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, content TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (
  content TEXT, modality TEXT, encoder TEXT, vector BLOB, tokens BLOB, times BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS vector_of_content ON vectors (content, modality, encoder);
CREATE TABLE IF NOT EXISTS problems (
  content TEXT, modality TEXT, limits TEXT, kind TEXT, reason TEXT, PRIMARY KEY (content, modality)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class MediaItem:
    """An item and what belongs to it.

    Attributes:
        item_id: Its raw id.
        members: Path or text by role.
    """

    item_id: str
    members: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredVectors:
    """The vectors of one content in one modality.

    Attributes:
        vector: The mean of the tokens, float32 ``[width]``.
        tokens: float32 ``[n, width]``, or None where they were not asked for.
        times: Seconds, float32 ``[n]``, or None.
    """

    vector: NDArray[np.float32]
    tokens: NDArray[np.float32] | None = None
    times: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class FileChecksum:
    """The checksum of a file, and what the file was like then.

    Attributes:
        size: Bytes.
        changed: Time of its last change, in nanoseconds.
        content: Its SHA-256.
    """

    size: int
    changed: int
    content: str


class FeatureStore:
    """The catalogue of an extraction, and vectors by the content that they were made of.

    Content is known by its checksum: a file that was moved or copied is not processed again, and one that changed is.

    Args:
        path: The file; made if it does not exist.

    Raises:
        InvalidInputError: It cannot be opened, or another extraction is using it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=1, isolation_level="IMMEDIATE")
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_TABLES)
        except sqlite3.Error as error:
            raise InvalidInputError(
                f"{path}: cannot be used ({error}). Wait for the other extraction into this folder, or remove the file "
                "to begin again."
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def commit(self) -> None:
        """Makes sure that what was stored is still there after a kill."""
        self._database.commit()

    # The catalogue.

    def set_members(self, members: Iterable[Member]) -> None:
        """Replaces the catalogue.

        Raises:
            InvalidInputError: An item has two files of one kind.
        """
        with self._database:
            self._database.execute("DELETE FROM members")
            for item, role, value in members:
                try:
                    self._database.execute("INSERT INTO members VALUES (?, ?, ?)", (item, role, value))
                except sqlite3.IntegrityError:
                    raise self._two_of_a_kind(item, role, value) from None

    def count_items(self) -> int:
        """The number of items."""
        return int(self._database.execute("SELECT count(DISTINCT item) FROM members").fetchone()[0])

    def items(self) -> Iterator[MediaItem]:
        """All items in the order of their ids, a page at a time."""
        last = ""
        while True:
            page = self._database.execute(
                "SELECT item, role, value FROM members WHERE item IN "
                "(SELECT DISTINCT item FROM members WHERE item > ? ORDER BY item LIMIT ?) ORDER BY item",
                (last, _PAGE),
            ).fetchall()
            if not page:
                return
            of_page: dict[str, MediaItem] = {}
            for item, role, value in page:
                of_page.setdefault(item, MediaItem(item)).members[role] = value
            yield from of_page.values()
            last = page[-1][0]

    # Contents.

    def content_of_file(self, path: Path) -> str:
        """Checksum of a file; one of the same size and time of change is not read again.

        Raises:
            OSError: It cannot be read.
        """
        status = path.stat()
        state = (status.st_size, status.st_mtime_ns)
        known = self.checksum(str(path))
        if known is not None and (known.size, known.changed) == state:
            return known.content
        content = sha256(path)
        self.keep_checksum(str(path), FileChecksum(*state, content))
        return content

    def checksum(self, path: str) -> "FileChecksum | None":
        """What is known of a file, which may have changed since."""
        row = self._database.execute("SELECT size, changed, content FROM files WHERE path = ?", (path,)).fetchone()
        return None if row is None else FileChecksum(*row)

    def keep_checksum(self, path: str, checksum: "FileChecksum") -> None:
        """Keeps the checksum of a file."""
        row = (path, checksum.size, checksum.changed, checksum.content)
        self._database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", row)

    def take(self, content: str, modality: str) -> bool:
        """Whether this is the first call for a content and modality, which someone is to work on."""
        self._database.execute(
            "CREATE TEMP TABLE IF NOT EXISTS taken (content TEXT, modality TEXT, PRIMARY KEY (content, modality)) "
            "WITHOUT ROWID"
        )
        cursor = self._database.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", (content, modality))
        return cursor.rowcount == 1

    # Vectors and problems.

    def has(self, content: str, modality: str, encoder: str, *, tokens: bool) -> bool:
        """Whether there are vectors, with tokens where these are asked for."""
        row = self._database.execute(
            "SELECT tokens IS NOT NULL FROM vectors WHERE content = ? AND modality = ? AND encoder = ?",
            (content, modality, encoder),
        ).fetchone()
        return row is not None and (bool(row[0]) or not tokens)

    def vectors(self, content: str, modality: str, encoder: str) -> StoredVectors | None:
        """The vectors of a content, or None."""
        row = self._database.execute(
            "SELECT vector, tokens, times FROM vectors WHERE content = ? AND modality = ? AND encoder = ?",
            (content, modality, encoder),
        ).fetchone()
        if row is None:
            return None
        vector, tokens, times = (None if blob is None else np.frombuffer(blob, np.float32) for blob in row)
        assert vector is not None
        return StoredVectors(vector, None if tokens is None else tokens.reshape(-1, len(vector)), times)

    def store(self, content: str, modality: str, encoder: str, vectors: StoredVectors) -> None:
        """Keeps the vectors of a content."""
        blobs = (
            None if array is None else array.tobytes() for array in (vectors.vector, vectors.tokens, vectors.times)
        )
        self._database.execute(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?, ?)", (content, modality, encoder, *blobs)
        )
        self._database.execute("DELETE FROM problems WHERE content = ? AND modality = ?", (content, modality))

    def problem(self, content: str, modality: str, limits: str) -> Problem | None:
        """Why a content has no vectors, as was found within the same limits; None if it was not tried."""
        row = self._database.execute(
            "SELECT kind, reason FROM problems WHERE content = ? AND modality = ? AND limits = ?",
            (content, modality, limits),
        ).fetchone()
        return None if row is None else Problem(*row)

    def store_problem(self, content: str, modality: str, limits: str, problem: Problem) -> None:
        """Keeps why a content has no vectors."""
        self._database.execute(
            "INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?, ?)",
            (content, modality, limits, problem.kind, problem.reason),
        )

    def _two_of_a_kind(self, item: str, role: str, value: str) -> InvalidInputError:
        query = "SELECT value FROM members WHERE item = ? AND role = ?"
        (first,) = self._database.execute(query, (item, role)).fetchone()
        if role == "item":
            return InvalidInputError(f'item "{item}" has two rows, expected one. Remove the other.')
        return InvalidInputError(f'item "{item}": has two entries for {role}, {first} and {value}. Move one away.')


def content_of(value: Any) -> str:
    """Checksum of plain JSON values, as files have one."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=True, sort_keys=True).encode()).hexdigest()
