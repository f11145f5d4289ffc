"""Tables read in parts: some columns of them, and the rows of a part as they stand in the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.beam.raw_parts import PARQUET, RawPart, opened, read_parquet
from tf_metammf.records.raw_files.delimited_text import parse_part
from tf_metammf.records.raw_files.table_files import without_views
from tf_metammf.records.raw_files.tables import ColumnKind, Table, require_columns, texts_of_rows
from tf_metammf.records.raw_files.text_scan import rows_of

if TYPE_CHECKING:
    import pyarrow


def read_table(part: RawPart, kinds: Mapping[str, ColumnKind], bad_rows: BadRows) -> Table | None:
    """Some columns of a part of a table; None where it has no row.

    Args:
        part: The part.
        kinds: What the wanted columns hold, by name.
        bad_rows: What to do with rows that cannot be read.

    Raises:
        InvalidInputError: A column is missing, or the part or a row of it cannot be read.
    """
    file = part.file
    require_columns(file.shown, file.names, kinds)
    places = RowsOfPart(part, tuple(kinds))
    if file.suffix == PARQUET:
        group = _row_group(part, list(kinds))
        records = part.records_before + np.arange(1, group.num_rows + 1)
        return Table(file.shown, group, records, places) if len(records) else None
    assert file.layout is not None
    rows = _bytes_of(part)
    if not rows.strip(b"\r\n"):
        return None
    names = file.names if part.start else None
    table = parse_part(file.shown, rows, names, kinds, layout=file.layout, places=places, bad_rows=bad_rows)
    return table if len(table) else None


@dataclass(frozen=True)
class RowsOfPart:
    """The rows of a part, which is read again to find them; see
    :class:`tf_metammf.records.raw_files.row_places.RowPlaces`.

    Attributes:
        part: The part.
        columns: What is shown of the rows of files without lines.
    """

    part: RawPart
    columns: tuple[str, ...]

    @property
    def records_before(self) -> int:
        """Records of the file before the first one of the part."""
        return self.part.records_before

    def find(self, records: NDArray[np.int64]) -> list[tuple[int | None, str]]:
        """The line in which each record begins (None in files without lines) and its text."""
        if not len(records):
            return []
        layout, rows = self.part.file.layout, records - self.records_before - 1
        if layout is None:
            return texts_of_rows(_row_group(self.part, list(self.columns)).take(rows))
        if self.part.start == 0:
            rows += 1  # the header
        found = rows_of([_bytes_of(self.part)], layout, rows)
        return [(self.part.lines_before + line, text) for line, text in found]


def _row_group(part: RawPart, columns: list[str]) -> "pyarrow.Table":
    group = read_parquet(part.file, lambda parquet: parquet.read_row_group(part.start, columns=columns))
    return without_views(group.select(columns))


def _bytes_of(part: RawPart) -> bytes:
    with opened(part.file) as content:
        content.seek(part.start)
        return bytes(content.read(part.stop - part.start))
