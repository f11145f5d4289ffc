"""Which files and texts belong to which item: a folder, a list of paths, or a table."""

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tf_metammf.errors import InvalidInputError, one_line

SUFFIXES = {
    "video": (".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif", ".m4v"),
    "sound": (".wav", ".mp3", ".m4a", ".flac", ".ogg", ".opus", ".aac"),
    "cover": (".jpg", ".jpeg", ".png", ".webp", ".bmp"),
    "subtitles": (".srt", ".vtt"),
}
"""What a file is, by the ending of its name."""
TEXT_ROLES = ("title", "description", "tags")
ROLES = (*SUFFIXES, *TEXT_ROLES)
TABLE_NAMES = ("items.csv", "items.tsv", "items.parquet")
"""Tables that a folder is read by, if it has one."""

_ID_COLUMNS = ("item_id", "item", "id", "video_id")
_PATH_COLUMNS = ("path", "file", "video", "sound", "cover", "subtitles")

Member = tuple[str, str, str]
"""Raw id of an item, a role, and a path or text."""


def members(source: Path) -> Iterator[Member]:
    """Reads which files and texts belong to which item, one after another.

    Args:
        source: One of

            - a folder: a file's id is its path without the ending, so that ``a.mp4``, ``a.jpg`` and ``a.vtt`` are one
              item. If the folder has one of :data:`TABLE_NAMES`, it is read by that;
            - a text file, ``.txt`` or ``.lst``, with a path a line;
            - ``.csv``, ``.tsv`` or ``.parquet`` with a column ``item_id`` and any of ``path``, ``cover``, ``sound``,
              ``subtitles``, ``title``, ``description``, ``tags``. Subtitles beside a path are found by its name.

            Relative paths start from the folder of the list or table.

    Yields:
        Members of items, in any order.

    Raises:
        InvalidInputError: The source is missing or holds no such thing, or an id is not acceptable.
    """
    if source.is_dir():
        table = next((source / name for name in TABLE_NAMES if (source / name).is_file()), None)
        yield from _of_folder(source) if table is None else _of_table(table)
    elif not source.exists():
        raise InvalidInputError(
            f"{source}: does not exist, expected a folder, a list or a table. Give another --input."
        )
    elif source.suffix.lower() in (".txt", ".lst"):
        yield from _of_list(source)
    elif source.suffix.lower() in (".csv", ".tsv", ".parquet"):
        yield from _of_table(source)
    else:
        raise InvalidInputError(
            f"{source}: is neither a folder nor a list (.txt, .lst) or table (.csv, .tsv, .parquet). Give another."
        )


def role_of(path: str) -> str | None:
    """What a file is by the ending of its name; None for any other file."""
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - a million Path objects take seconds
    return next((role for role, suffixes in SUFFIXES.items() if suffix in suffixes), None)


def _of_folder(folder: Path) -> Iterator[Member]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(files):
            role = role_of(name)
            path = os.path.join(place, name)  # noqa: PTH118 - as above
            if role is None or name.startswith(".") or not os.path.isfile(path):  # noqa: PTH113
                continue
            stem = os.path.splitext(os.path.relpath(path, folder))[0]  # noqa: PTH122
            yield _checked(stem.replace(os.sep, "/"), role, path, str(folder))


def _of_list(source: Path) -> Iterator[Member]:
    with source.open(encoding="utf-8-sig") as lines:
        try:
            for number, line in enumerate(lines, 1):
                path = line.rstrip("\r\n")
                if not path.strip():
                    continue
                role = role_of(path)
                if role is None:
                    raise _unknown_ending(f"{source}: line {number}", path)
                item = os.path.splitext(path)[0].replace(os.sep, "/")  # noqa: PTH122
                yield from _file_with_subtitles(item, role, source.parent / path, f"{source}: line {number}")
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"{source}: is not UTF-8 ({error.reason}). Write it again.") from error


def _of_table(source: Path) -> Iterator[Member]:
    id_column: str | None = None
    for number, row in enumerate(_rows(source), 1):
        place = f"{source}: row {number}"
        if id_column is None:
            id_column = next((name for name in _ID_COLUMNS if name in row), None)
            if id_column is None or not set(row) & {*_PATH_COLUMNS, *TEXT_ROLES}:
                raise InvalidInputError(
                    f"{source}: has the columns {', '.join(row)}; expected item_id and any of "
                    f"{', '.join((*_PATH_COLUMNS, *TEXT_ROLES))}. Rename them."
                )
        item = row.get(id_column) or ""
        yield _checked(item, "item", "", place)
        for column in _PATH_COLUMNS:
            if path := (row.get(column) or "").strip():
                role = role_of(path)
                if role is None:
                    raise _unknown_ending(place, path)
                yield from _file_with_subtitles(item, role, source.parent / path, place)
        for column in TEXT_ROLES:
            if text := (row.get(column) or "").strip():
                yield item, column, text


def _rows(source: Path) -> Iterator[Mapping[str, str | None]]:
    if source.suffix.lower() == ".parquet":
        yield from _parquet_rows(source)
        return
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file, delimiter="\t" if source.suffix.lower() == ".tsv" else ",", strict=True)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{source}: cannot be read ({one_line(error)}). Write it again.") from error


def _parquet_rows(source: Path) -> Iterator[Mapping[str, str | None]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(source) as file:
            wanted = [name for name in file.schema_arrow.names if name in (*_ID_COLUMNS, *_PATH_COLUMNS, *TEXT_ROLES)]
            for batch in file.iter_batches(4096, columns=wanted or None):
                for row in batch.to_pylist():
                    yield {name: None if value is None else _text(value) for name, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise InvalidInputError(f"{source}: cannot be read ({one_line(error)}). Write it again.") from error


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _file_with_subtitles(item: str, role: str, path: Path, place: str) -> Iterator[Member]:
    yield _checked(item, role, str(path), place)
    if role in ("video", "sound"):
        beside = (path.with_suffix(suffix) for suffix in SUFFIXES["subtitles"])
        if (subtitles := next((file for file in beside if file.is_file()), None)) is not None:
            yield item, "subtitles", str(subtitles)


def _checked(item: str, role: str, value: str, place: str) -> Member:
    if not item.strip() or any(separator in item for separator in "\r\n\0\x85\u2028\u2029"):
        raise InvalidInputError(f"{place}: has the item id {item!r}, expected text in one line.")
    try:
        (item + value).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(f"{place}: the name {value or item!a} is not UTF-8. Rename the file.") from None
    return item, role, value


def _unknown_ending(place: str, path: str) -> InvalidInputError:
    known = " ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    return InvalidInputError(
        f"{place}: {path} has an unknown ending, expected one of {known}. Convert or leave it out."
    )
