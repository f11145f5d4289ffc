"""Raw files on any file system that Beam knows, in parts: bytes of text, row groups of Parquet, rows of .npy."""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.delimited_text import header_names, parse_lines
from tf_metammf.records.raw_files.feature_files import require_matrix
from tf_metammf.records.raw_files.input_files import one_line
from tf_metammf.records.raw_files.table_files import TEXT_FORMATS
from tf_metammf.records.raw_files.tables import ColumnKind, Table, require_columns

PARQUET, MATRIX = ".parquet", ".npy"
_HEADER_BYTES = 2**20


@dataclass(frozen=True)
class RawFile:
    """A file to read.

    Attributes:
        path: Where it is, a path or URL.
        bytes: Its size.
        number: Its place among the parts of one table.
    """

    path: str
    bytes: int
    number: int = 0

    @property
    def name(self) -> str:
        """Its name without the folder."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return PurePath(self.name).suffix

    @property
    def shown(self) -> PurePath:
        """The path for messages."""
        return PurePath(self.path)


@dataclass(frozen=True)
class RawPart:
    """A part of a file: bytes of text, numbers of row groups, or rows of a matrix, from ``start`` up to ``stop``."""

    file: RawFile
    start: int
    stop: int

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
    with _opened(file) as content:
        while block := content.read(2**22):
            digest.update(block)
    return digest.hexdigest()


def read_lines(file: RawFile) -> list[str]:
    """All lines of a text file, without their ends."""
    with _opened(file) as content:
        return content.read().decode("utf-8").removesuffix("\n").split("\n")


def column_names(file: RawFile) -> list[str]:
    """Names of the columns of a table.

    Raises:
        InvalidInputError: The file is empty or no table that can be read in parts.
    """
    if file.bytes == 0:
        raise InvalidInputError(f"{file.path}: is empty, expected raw data. Fetch or write the file again.")
    if file.suffix == PARQUET:
        return list(_parquet(file, lambda parquet: parquet.schema_arrow.names))
    if file.suffix not in TEXT_FORMATS:
        raise InvalidInputError(
            f"{file.path}: with --beam_pipeline_options tables are read in parts, which {file.suffix or 'other'} files "
            f"cannot be. Write {', '.join(TEXT_FORMATS)} or {PARQUET}, or leave the option out."
        )
    with _opened(file) as content:
        text = io.TextIOWrapper(io.BytesIO(content.read(_HEADER_BYTES)), "utf-8-sig", errors="replace", newline="")
        return header_names(file.shown, text, TEXT_FORMATS[file.suffix])  # type: ignore[arg-type]


def parts_of(file: RawFile, *, part_bytes: int) -> Iterator[RawPart]:
    """The parts of a file: about so many bytes of text or of a matrix each, or a row group."""
    if file.suffix == PARQUET:
        groups = _parquet(file, lambda parquet: parquet.num_row_groups)
        yield from (RawPart(file, group, group + 1) for group in range(groups))
    elif file.suffix == MATRIX:
        matrix = matrix_header(file)
        rows = max(1, part_bytes // (matrix.shape[1] * matrix.dtype.itemsize))
        for start in range(0, matrix.shape[0], rows):
            yield RawPart(file, start, min(start + rows, matrix.shape[0]))
    else:
        yield from (RawPart(file, start, start + part_bytes) for start in range(0, file.bytes, part_bytes))


def read_table(part: RawPart, names: Sequence[str], kinds: Mapping[str, ColumnKind]) -> Table | None:
    """Some columns of a part of a table; None where no row begins in it.

    Args:
        part: The part.
        names: All columns of the table.
        kinds: What the wanted columns hold, by name.

    Raises:
        InvalidInputError: A column is missing, or the part cannot be read.
    """
    file = part.file
    require_columns(file.shown, names, kinds)  # type: ignore[arg-type]
    if file.suffix == PARQUET:
        group = _parquet(file, lambda parquet: parquet.read_row_group(part.start, columns=list(kinds)))
        return Table(file.shown, group.select(list(kinds))) if group.num_rows else None  # type: ignore[arg-type]
    lines = _lines(part)
    if not lines.strip():
        return None
    return parse_lines(file.shown, lines, names, kinds, text=TEXT_FORMATS[file.suffix])  # type: ignore[arg-type]


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
    with _opened(file) as content:
        try:
            version = np.lib.format.read_magic(content)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_column, dtype = read(content)
        except ValueError as error:
            raise InvalidInputError(
                f"{file.path}: is no readable .npy file of numbers ({one_line(error)}). Write it again."
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
    with _opened(part.file) as content:
        content.seek(header.offset + part.start * row_bytes)
        found = content.read((part.stop - part.start) * row_bytes)
    if len(found) != (part.stop - part.start) * row_bytes:
        raise InvalidInputError(f"{part.file.path}: is truncated. Fetch or write it again.")
    return np.frombuffer(found, header.dtype).reshape(-1, header.shape[1])


def _lines(part: RawPart) -> bytes:
    """The lines that begin inside a part of a text file, without the header."""
    with _opened(part.file) as content:
        if part.start == 0:
            while (line := content.readline()) and not line.strip():
                pass
        else:
            # A line belongs to the part in which it begins; from one byte before, a line that begins here stays whole.
            content.seek(part.start - 1)
            content.readline()
        begin = content.tell()
        if begin >= part.stop:
            return b""
        lines: bytes = content.read(part.stop - begin)
        return lines if lines.endswith(b"\n") else lines + content.readline()


def _parquet(file: RawFile, read: Any) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        with _opened(file) as content:
            return read(pyarrow.parquet.ParquetFile(content))
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InvalidInputError(
            f"{file.path}: is no readable Parquet file ({one_line(error)}). Fetch or write it again."
        ) from error


def _opened(file: RawFile) -> Any:
    return FileSystems.open(file.path, compression_type=CompressionTypes.UNCOMPRESSED)
