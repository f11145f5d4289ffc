"""Where the rows of a raw file stand in it, for messages and lists of rows that cannot be read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_files.line_blocks import blocks_of
from tf_metammf.records.raw_files.text_scan import TextLayout, rows_of


class RowPlaces(Protocol):
    """Finds rows of a file, or of a part of one."""

    @property
    def records_before(self) -> int:
        """Records of the file before the first one of the part."""

    def find(self, records: NDArray[np.int64]) -> list[tuple[int | None, str]]:
        """The line in which each record begins (None in files without lines) and its text.

        Args:
            records: Numbers of records of the file, from 1, ascending.
        """


@dataclass(frozen=True)
class TextRows:
    """The rows of a text file, which is read again to find them.

    Attributes:
        path: The file.
        layout: How its rows are laid out.
    """

    path: Path
    layout: TextLayout
    records_before: int = 0

    def find(self, records: NDArray[np.int64]) -> list[tuple[int | None, str]]:
        """See :meth:`RowPlaces.find`."""
        return list(rows_of(blocks_of(self.path), self.layout, records))
