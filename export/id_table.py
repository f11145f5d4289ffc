"""Raw ids and dense ids, translated inside the graph."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from tf_metammf.errors import InvalidInputError


class IdTable(tf.Module):
    """Both directions between raw ids, any text, and dense ids.

    The label file becomes an asset of the SavedModel, one raw id a line, line ``n`` for the
    dense id ``n``; both tables are filled from it when the model is loaded.

    Args:
        file: The label file, as :func:`write_labels` writes it; needed until the model is saved.
        unknown: The dense id of a raw id that is not in the file.
    """

    def __init__(self, file: Path, *, unknown: int) -> None:
        super().__init__()
        line, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        self._dense_ids = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(str(file), tf.string, line, tf.int64, number), unknown
        )
        self._raw_ids = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(str(file), tf.int64, number, tf.string, line), ""
        )

    def dense(self, raw_ids: tf.Tensor) -> tf.Tensor:
        """Dense ids, int64, of raw ids, string of any shape."""
        return self._dense_ids.lookup(raw_ids)

    def raw(self, dense_ids: tf.Tensor) -> tf.Tensor:
        """Raw ids, string, of dense ids, int64 of any shape; ``""`` for one that does not exist."""
        return self._raw_ids.lookup(dense_ids)


def write_labels(file: Path, ids: Sequence[str], *, kind: str) -> None:
    """Writes raw ids, one a line.

    Args:
        file: The file to write.
        ids: Raw ids by dense id.
        kind: What they are the ids of, for messages.

    Raises:
        InvalidInputError: An id is empty, holds a line break or occurs twice.
    """
    seen: set[str] = set()
    for position, raw in enumerate(ids):
        if not raw or "\n" in raw or "\r" in raw:
            raise InvalidInputError(f"{kind} {position} has the id {raw!r}; ids must not be empty or hold line breaks.")
        if raw in seen:
            raise InvalidInputError(f'{kind} {position} has the id "{raw}" of another one, expected unique ids.')
        seen.add(raw)
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        lines.writelines(f"{raw}\n" for raw in ids)
