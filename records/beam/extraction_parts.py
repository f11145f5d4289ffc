"""What an extraction in a pipeline and its workers hand to each other: files in one folder that all of them reach.

A file is written aside and renamed, and its name says which part it is of: a worker that does a part again, because
another one died, replaces the file by the same.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tf_metammf.records.media.decoding.requests import Problem
from tf_metammf.records.media.feature_store import FeatureStore, FileChecksum, MediaItem, StoredVectors
from tf_metammf.records.media.item_contents import modalities_of_files
from tf_metammf.records.media.media_files import SUFFIXES
from tf_metammf.records.staging import replace_text, replaced_file

Element = TypeVar("Element")
_FILES = b"files"


@dataclass(frozen=True)
class CataloguePart:
    """Some items whose files are to be looked at.

    Attributes:
        items: The items; paths as the user gave them.
        folder: Where relative paths start.
        known: Checksums of an earlier extraction by path.
    """

    items: list[MediaItem]
    folder: str
    known: dict[str, FileChecksum]

    def place(self, path: str) -> Path:
        """Where a file is, whatever the working directory of a worker."""
        return Path(self.folder, path)

    def items_in_place(self) -> list[MediaItem]:
        """The items with absolute paths."""
        return [
            MediaItem(
                item.item_id,
                {role: str(self.place(value)) if role in SUFFIXES else value for role, value in item.members.items()},
            )
            for item in self.items
        ]


@dataclass(frozen=True)
class WorkPart:
    """Contents that are to be decoded and encoded.

    Attributes:
        files: Checksum, absolute path and modalities of each file.
        texts: Checksum, texts and their times of each item.
    """

    files: list[tuple[str, str, list[str]]] = field(default_factory=list)
    texts: list[tuple[str, list[str], list[float]]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.files) + len(self.texts)


def write_catalogue(folder: Path, store: FeatureStore, part_items: int) -> list[str]:
    """Writes the catalogue in parts; returns their paths."""
    paths = []
    for number, items in enumerate(batches(store.items(), part_items)):
        files = [path for item in items for path in modalities_of_files(item)]
        known = {path: asdict(found) for path in files if (found := store.checksum(path)) is not None}
        rows = [[item.item_id, item.members] for item in items]
        content = {"items": rows, "folder": str(Path.cwd()), "known": known}
        paths.append(_written(folder / f"catalogue-{number:06}.json", content))
    return paths


def read_catalogue(path: str) -> CataloguePart:
    """A part of :func:`write_catalogue`."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    known = {file: FileChecksum(**checksum) for file, checksum in content["known"].items()}
    return CataloguePart([MediaItem(*item) for item in content["items"]], content["folder"], known)


def write_checksums(path: Path, checksums: dict[str, FileChecksum | None]) -> None:
    """Writes the checksums of the files of a part; None where a file cannot be read."""
    _written(path, {file: None if found is None else asdict(found) for file, found in checksums.items()})


def read_checksums(path: Path) -> dict[str, FileChecksum | None]:
    """What :func:`write_checksums` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {file: None if found is None else FileChecksum(**found) for file, found in content.items()}


def write_work(folder: Path, parts: Iterable[WorkPart]) -> list[str]:
    """Writes what is to be done in parts; returns their paths."""
    return [_written(folder / f"work-{number:06}.json", asdict(part)) for number, part in enumerate(parts)]


def read_work(path: str) -> WorkPart:
    """A part of :func:`write_work`."""
    return WorkPart(**json.loads(Path(path).read_text(encoding="utf-8")))


def beside(path: str, kind: str, suffix: str) -> Path:
    """The file with which a worker answers the part at a path."""
    part = Path(path)
    return part.with_name(f"{kind}-{part.stem.rpartition('-')[2]}{suffix}")


class PartResults:
    """The vectors and problems of a part, until they are written."""

    def __init__(self) -> None:
        self.files = 0
        self._rows: list[dict[str, Any]] = []

    def has(self, content: str, modality: str, encoder: str, *, tokens: bool) -> bool:
        """Nothing is done twice in a part."""
        del content, modality, encoder, tokens
        return False

    def store(self, content: str, modality: str, encoder: str, vectors: StoredVectors) -> None:
        """Keeps the vectors of a content."""
        arrays = {"vector": vectors.vector, "tokens": vectors.tokens, "times": vectors.times}
        blobs = {name: None if array is None else array.tobytes() for name, array in arrays.items()}
        self._rows.append({"content": content, "modality": modality, "key": encoder, **blobs})

    def store_problem(self, content: str, modality: str, limits: str, problem: Problem) -> None:
        """Keeps why a content has no vectors."""
        self._rows.append({"content": content, "modality": modality, "key": limits, **asdict(problem)})

    def commit(self) -> None:
        """Parts are written as a whole."""

    def write(self, path: Path) -> None:
        """Writes all of it: aside, and then in its place."""
        import pyarrow
        import pyarrow.parquet

        texts, blobs = ("content", "modality", "key", "kind", "reason"), ("vector", "tokens", "times")
        fields = [(name, pyarrow.string()) for name in texts] + [(name, pyarrow.binary()) for name in blobs]
        schema = pyarrow.schema(fields, metadata={_FILES: str(self.files)})
        with replaced_file(path) as aside:
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(self._rows, schema=schema), aside)


def merge_results(path: Path, store: FeatureStore) -> int:
    """Puts what :meth:`PartResults.write` wrote into the store; returns the number of files that were decoded."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as table:
        for row in table.read().to_pylist():
            key = row["content"], row["modality"], row["key"]
            if row["vector"] is None:
                store.store_problem(*key, Problem(row["kind"], row["reason"]))
            else:
                store.store(*key, _vectors(row))
        files = int(table.schema_arrow.metadata[_FILES])
    store.commit()
    return files


def batches(elements: Iterable[Element], size: int) -> Iterator[list[Element]]:
    """Lists of ``size`` elements; the last one may be shorter."""
    left = iter(elements)
    while batch := list(islice(left, size)):
        yield batch


def _vectors(row: dict[str, Any]) -> StoredVectors:
    vector, tokens, times = (
        None if row[name] is None else np.frombuffer(row[name], np.float32) for name in ("vector", "tokens", "times")
    )
    assert vector is not None
    return StoredVectors(vector, None if tokens is None else tokens.reshape(-1, len(vector)), times)


def _written(path: Path, content: Any) -> str:
    replace_text(path, json.dumps(content))
    return str(path)
