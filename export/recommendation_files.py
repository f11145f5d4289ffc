"""Files of recommendations: Parquet, CSV or JSON lines, by the end of the file's name."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.answers import Recommendations

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".parquet", ".csv", ".jsonl")


def require_suffix(path: Path) -> str:
    """The end of a file's name that says its format.

    Raises:
        InvalidInputError: It is none of those known.
    """
    if path.suffix not in SUFFIXES:
        raise InvalidInputError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}.")
    return path.suffix


def write_part(path: Path, found: Sequence[Recommendations]) -> None:
    """Writes the recommendations of some users.

    Parquet and CSV have a row for each item, with the columns ``user_id``, ``rank`` (from 1), ``item_id``, ``score``
    and ``known``, whether the model knows the user. JSON lines have an object for each user, with ``user_id``,
    ``known`` and ``items``, a list of objects with ``item_id`` and ``score``.

    Args:
        path: The file; its suffix says the format.
        found: Recommendations of users.
    """
    if path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8", newline="\n") as lines:
            lines.writelines(f"{json.dumps(_as_object(each), ensure_ascii=False)}\n" for each in found)
    elif path.suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(_as_table(found), path)
    else:
        from pyarrow import parquet

        parquet.write_table(_as_table(found), path)


def join_parts(parts: Iterable[Path], target: Path) -> None:
    """Writes the parts one after another into one file, one part in memory at a time.

    Args:
        parts: Files of :func:`write_part`, at least one, all of the format of the target.
        target: The file to write.
    """
    if target.suffix == ".parquet":
        from pyarrow import parquet

        with parquet.ParquetWriter(target, _schema()) as writer:
            for part in parts:
                writer.write_table(parquet.read_table(part, schema=_schema()))
        return
    with target.open("wb") as joined:
        for number, part in enumerate(parts):
            content = part.read_bytes()
            header = content.index(b"\n") + 1 if target.suffix == ".csv" and number else 0
            joined.write(content[header:])


def _as_object(found: Recommendations) -> dict[str, object]:
    items = [{"item_id": item, "score": float(score)} for item, score in zip(found.item_ids, found.scores, strict=True)]
    return {"user_id": found.query, "known": found.known, "items": items}


def _schema() -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.schema(
        [
            ("user_id", pyarrow.string()),
            ("rank", pyarrow.int32()),
            ("item_id", pyarrow.string()),
            ("score", pyarrow.float32()),
            ("known", pyarrow.bool_()),
        ]
    )


def _as_table(found: Sequence[Recommendations]) -> "pyarrow.Table":
    import pyarrow

    rows = [
        (each.query, rank, item, score, each.known)
        for each in found
        for rank, (item, score) in enumerate(zip(each.item_ids, each.scores, strict=True), 1)
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(_schema())
    return pyarrow.table([list(column) for column in columns], schema=_schema())
