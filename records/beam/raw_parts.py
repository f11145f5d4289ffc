"""Raw files on any file system that Beam knows, in parts: bytes of text, row groups of Parquet, rows of .npy."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.delimited_text import HEAD_BYTES, TextFormat, text_head
from tf_metammf.records.raw_files.feature_files import require_matrix
from tf_metammf.records.raw_files.input_files import one_line
from tf_metammf.records.raw_files.line_blocks import BLOCK_BYTES
from tf_metammf.records.raw_files.table_files import TEXT_FORMATS, index_of_schema
from tf_metammf.records.raw_files.text_lines import lines_of
from tf_metammf.records.raw_files.text_scan import TextLayout, scan_text

PARQUET, MATRIX = ".parquet", ".npy"


@dataclass(frozen=True)
class RawFile:
    """A file to read.

    Attributes:
        path: Where it is, a path or URL.
        bytes: Its size.
        number: Its place among the parts of one table.
        names: Names of its columns, if it is a table.
        index: Those that are the index of a pandas frame.
        layout: How its rows are laid out, if it is text.
    """

    path: str
    bytes: int
    number: int = 0
    names: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    layout: TextLayout | None = None

    @property
    def name(self) -> str:
        """Its name without the folder."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return PurePath(self.name).suffix

    @property
    def shown(self) -> Path:
        """The path for messages."""
        return Path(self.path)


@dataclass(frozen=True)
class RawPart:
    """A part of a file: bytes of text, numbers of row groups, or rows of a matrix, from ``start`` up to ``stop``.

    Attributes:
        file: The file.
        start: Where it begins.
        stop: Where it stops.
        records_before: Records of the file before it, the header not counted.
        lines_before: Lines of the file before it, if it is text.
    """

    file: RawFile
    start: int
    stop: int
    records_before: int = 0
    lines_before: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Parts in the order of their keys are rows in the order of the table."""
        return self.file.number, self.start


def list_files(folder: str) -> dict[str, RawFile]:
    """All files of a folder by name.

    Raises:
        InvalidInputError: It cannot be listed, or is empty.
    """
    try:
        if (local := Path(folder)).is_dir():  # its name may have characters that Beam takes for a pattern
            paths = sorted(path for path in local.iterdir() if path.is_file())
            files = [RawFile(str(path), path.stat().st_size) for path in paths]
        else:
            (found,) = FileSystems.match([FileSystems.join(folder, "*")])
            files = [RawFile(entry.path, entry.size_in_bytes) for entry in found.metadata_list]
    except Exception as error:  # every file system has its own kinds of errors
        raise InvalidInputError(f"{folder}: cannot be listed ({one_line(error)}). Give another --input.") from error
    if not files:
        raise InvalidInputError(f"{folder}: has no files, expected a folder of raw files. Give another --input.")
    return {file.name: file for file in files}


def sha256(file: RawFile) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with opened(file) as content:
        while block := content.read(2**22):
            digest.update(block)
    return digest.hexdigest()


def read_lines(file: RawFile) -> list[str]:
    """All lines of a text file, without their ends."""
    with opened(file) as content:
        return lines_of(file.shown, content.read())


def looked_over(file: RawFile, text: TextFormat | None, *, part_bytes: int) -> RawFile:
    """A file of which names of columns and layout are known.

    Args:
        file: The file.
        text: How it is delimited, if it is text.
        part_bytes: How many bytes of text are to be read at once.

    Raises:
        InvalidInputError: The file is empty or no table that can be read in parts.
    """
    if file.bytes == 0:
        raise InvalidInputError(f"{file.path}: is empty, expected raw data. Fetch or write the file again.")
    if file.suffix == MATRIX:
        return file
    if file.suffix == PARQUET:
        schema = read_parquet(file, lambda parquet: parquet.schema_arrow)
        return replace(file, names=tuple(schema.names), index=tuple(index_of_schema(schema)))
    if text is None or file.suffix not in TEXT_FORMATS:
        raise InvalidInputError(
            f"{file.path}: with --beam_pipeline_options tables are read in parts, which {file.suffix or 'other'} files "
            f"cannot be. Write {', '.join(TEXT_FORMATS)} or {PARQUET}, or leave the option out."
        )
    with opened(file) as content:
        head = text_head(file.shown, content.read(HEAD_BYTES), text)
    layout = scan_text(
        file.shown,
        lambda: _blocks(file),
        delimiter=head.delimiter,
        quoted=text.quoted,
        columns=len(head.names),
        part_bytes=part_bytes,
    )
    return replace(file, names=tuple(head.names), layout=layout)


def _blocks(file: RawFile) -> Iterator[bytes]:
    with opened(file) as content:
        while block := content.read(BLOCK_BYTES):
            yield block


def parts_of(file: RawFile, *, part_bytes: int) -> Iterator[RawPart]:
    """The parts of a file: about so many bytes of text or of a matrix each, or a row group."""
    if file.suffix == PARQUET:
        lengths = read_parquet(file, _rows_of_groups)
        for group, before in enumerate(accumulate(lengths[:-1], initial=0) if lengths else ()):
            yield RawPart(file, group, group + 1, before)
    elif file.suffix == MATRIX:
        matrix = matrix_header(file)
        rows = max(1, part_bytes // (matrix.shape[1] * matrix.dtype.itemsize))
        for start in range(0, matrix.shape[0], rows):
            yield RawPart(file, start, min(start + rows, matrix.shape[0]))
    elif file.layout is not None:
        without_cuts = replace(file, layout=replace(file.layout, cuts=()))
        stops = [*(cut.position for cut in file.layout.cuts[1:]), file.bytes]
        for cut, stop in zip(file.layout.cuts, stops, strict=True):
            yield RawPart(without_cuts, cut.position, stop, max(cut.rows - 1, 0), cut.lines)


@dataclass(frozen=True)
class MatrixHeader:
    """What stands before the values of a ``.npy`` file, and where they begin."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    offset: int


def matrix_header(file: RawFile) -> MatrixHeader:
    """Reads the header of a matrix.

    Raises:
        InvalidInputError: The file holds something else, or its rows do not follow each other.
    """
    with opened(file) as content:
        try:
            version = np.lib.format.read_magic(content)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_column, dtype = read(content)
        except Exception as error:  # damaged headers raise whatever the parser of Python thinks of them
            raise InvalidInputError(
                f"{file.path}: is not a readable .npy file of numbers ({one_line(error)}). Write it again."
            ) from error
        require_matrix(np.broadcast_to(np.empty((), dtype), shape), file.path)
        if by_column:
            raise InvalidInputError(
                f"{file.path}: is stored by columns and cannot be read row by row. Write it again in C order."
            )
        rows, width = shape
        return MatrixHeader((rows, width), dtype, content.tell())


def read_rows(part: RawPart) -> NDArray[Any]:
    """The rows of a part of a matrix, ``[rows, width]`` in the type of the file."""
    header = matrix_header(part.file)
    row_bytes = header.shape[1] * header.dtype.itemsize
    with opened(part.file) as content:
        content.seek(header.offset + part.start * row_bytes)
        found = content.read((part.stop - part.start) * row_bytes)
    if len(found) != (part.stop - part.start) * row_bytes:
        raise InvalidInputError(f"{part.file.path}: is truncated. Fetch or write it again.")
    return np.frombuffer(found, header.dtype).reshape(-1, header.shape[1])


def _rows_of_groups(parquet: Any) -> list[int]:
    return [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]


def read_parquet(file: RawFile, read: Any) -> Any:
    """What a function reads from an opened ``ParquetFile``.

    Raises:
        InvalidInputError: It cannot be read.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with opened(file) as content:
            return read(pyarrow.parquet.ParquetFile(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InvalidInputError(
            f"{file.path}: is not a readable Parquet file ({one_line(error)}). Fetch or write it again."
        ) from error


def opened(file: RawFile) -> Any:
    """The bytes of a file, to be read."""
    return FileSystems.open(file.path, compression_type=CompressionTypes.UNCOMPRESSED)
