"""Titles and kinds of items, from a table of the user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.table_files import TABLE_SUFFIXES, column_names, read_columns

ID_COLUMNS = ("item_id", "item", "itemid", "video_id", "video", "id")
TITLE_COLUMNS = ("title", "name", "caption")


@dataclass(frozen=True)
class ItemTable:
    """What is said of items beside their features.

    Attributes:
        titles: Title by raw item id.
        columns: Of every further column its value by raw item id, by the name of the column.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_item_table(path: Path) -> ItemTable:
    """Reads a table of items: CSV, TSV, Parquet or .npz, with a column of raw ids.

    The ids are in the column called item_id, item, itemid, video_id, video or id, or else in the first one; titles
    in the one called title, name or caption. Case makes no difference. Further columns are kinds of items.

    Raises:
        InvalidInputError: The file is missing or cannot be read.
    """
    if path.suffix not in TABLE_SUFFIXES:
        raise InvalidInputError(f"{path}: is not a table of items; expected one of {', '.join(TABLE_SUFFIXES)}.")
    names = column_names(path)
    of_ids = _named(names, ID_COLUMNS) or names[0]
    of_titles = _named([name for name in names if name != of_ids], TITLE_COLUMNS)
    # Everything is text: an id 007 must not become the number 7.
    columns = read_columns(path, dict.fromkeys(names, "text")).columns
    texts = {
        name: ["" if value is None else str(value) for value in columns.column(name).to_pylist()] for name in names
    }
    ids = texts.pop(of_ids)
    titles = {} if of_titles is None else _by_id(ids, texts.pop(of_titles))
    return ItemTable(titles, {name: _by_id(ids, values) for name, values in texts.items()})


def _named(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    by_name = {name.casefold(): name for name in names}
    return next((by_name[name] for name in wanted if name in by_name), None)


def _by_id(ids: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    return {raw: value for raw, value in zip(ids, values, strict=True) if value}
