"""Extracted features as Parquet, a file a modality, with what made them in its metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_metammf.records.media.feature_store import StoredVectors
from tf_metammf.records.staging import sync

PROVENANCE_KEY = b"tf_metammf_extraction"
"""Where the metadata of the schema say what made the features."""
_ROWS_AT_ONCE = 512


def feature_file(folder: Path, modality: str) -> Path:
    """The file of a modality; ``records convert --source tabular`` recognises its name."""
    return folder / f"{modality}_features.parquet"


class FeatureTable:
    """Writes the features of one modality, some rows at a time, beside their place.

    The columns are ``item_id``, ``vector``, and with tokens ``tokens``, lists of lists, and ``times`` in seconds.

    Args:
        path: The file that appears, or is replaced, when the block ends well.
        provenance: What made the features.
        tokens: Whether tokens and times are written.
    """

    def __init__(self, path: Path, provenance: dict[str, Any], *, tokens: bool) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._provenance = provenance
        self._tokens = tokens
        self._rows: list[tuple[str, StoredVectors]] = []
        self._writer: Any = None
        self.count = 0

    def __enter__(self) -> "FeatureTable":
        import pyarrow
        import pyarrow.parquet

        fields = [("item_id", pyarrow.string()), ("vector", pyarrow.list_(pyarrow.float32()))]
        if self._tokens:
            fields += [
                ("tokens", pyarrow.list_(pyarrow.list_(pyarrow.float32()))),
                ("times", pyarrow.list_(pyarrow.float32())),
            ]
        schema = pyarrow.schema(fields, metadata={PROVENANCE_KEY: json.dumps(self._provenance, sort_keys=True)})
        self._writer = pyarrow.parquet.ParquetWriter(self._partial, schema)
        return self

    def add(self, item: str, vectors: StoredVectors) -> None:
        """Takes the vectors of the next item."""
        self._rows.append((item, vectors))
        self.count += 1
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._write()

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                self._write()
            self._writer.close()
            if kind is None:
                sync(self._partial)
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)

    def _write(self) -> None:
        import pyarrow

        schema = self._writer.schema
        columns = {"item_id": [item for item, _ in self._rows], "vector": [each.vector for _, each in self._rows]}
        arrays: dict[str, Any] = {
            name: pyarrow.array(values, schema.field(name).type) for name, values in columns.items()
        }
        if self._tokens:
            # An item that was extracted without tokens has none; extraction sees to it that there is no such one.
            tokens: list[Any] = [[] if each.tokens is None else list(each.tokens) for _, each in self._rows]
            times: list[Any] = [[] if each.times is None else each.times for _, each in self._rows]
            arrays["tokens"] = pyarrow.array(tokens, schema.field("tokens").type)
            arrays["times"] = pyarrow.array(times, schema.field("times").type)
        if self._rows:
            self._writer.write_table(pyarrow.table(arrays, schema=schema))
        self._rows = []


def provenance_of_extraction(files: Mapping[str, Path]) -> dict[str, Any]:
    """What made the features of every modality whose file was extracted from media.

    Args:
        files: Feature files by modality.
    """
    tables = {modality: file for modality, file in files.items() if file.suffix == ".parquet"}
    found = {modality: _provenance_of_table(file) for modality, file in tables.items()}
    return {modality: provenance for modality, provenance in found.items() if provenance is not None}


def _provenance_of_table(path: Path) -> dict[str, Any] | None:
    """What made the features of a Parquet file that can be read; None if it was not extracted."""
    import pyarrow.parquet

    text = (pyarrow.parquet.read_schema(path).metadata or {}).get(PROVENANCE_KEY)
    try:
        content = json.loads(text or "null")
    except ValueError:  # another program wrote it
        return None
    return content if isinstance(content, dict) else None
