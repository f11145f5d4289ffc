"""Text files that may be packed with gzip: ``views.csv.gz`` is read as ``views.csv`` is, unpacked as it is read."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.input_files import one_line

GZIP = ".gz"
_TEXT = (".csv", ".tsv")


def table_suffix(name: str | PurePath) -> str:
    """The ending of a table's name, ``.csv`` also for ``views.csv.gz``; ``.parquet.gz`` where nothing reads that."""
    path = PurePath(name)
    if path.suffix != GZIP:
        return path.suffix
    return inner if (inner := PurePath(path.stem).suffix) in _TEXT else f"{inner}{GZIP}"


def table_stem(name: str | PurePath) -> str:
    """The name of a table without its ending, ``views`` also for ``views.csv.gz``."""
    path = PurePath(name)
    return PurePath(path.stem).stem if path.suffix == GZIP else path.stem


@contextmanager
def opened_text(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Opens a text file and gives its bytes, unpacked as they are read.

    Raises:
        InvalidInputError: It is to be compressed by its name, and it is not, or it is damaged or cut off.
    """
    if path.suffix != GZIP:
        with path.open("rb") as file:
            yield file
        return
    try:
        with gzip.open(path, "rb") as file:
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInputError(
            f"{path}: is not a readable gzip file ({one_line(error)}). Fetch or write it again."
        ) from error


def text_bytes(path: Path) -> bytes:
    """All bytes of a text file, unpacked; see :func:`opened_text`."""
    with opened_text(path) as file:
        return file.read()
