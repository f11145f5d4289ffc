"""Arrays of an exported version, read from its files without loading its graph."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.attention import Attention, read_attention
from tf_metammf.export.kernel_coordinates import read_kernel_coordinates
from tf_metammf.records.tensorflow_paths import taken_literally

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@dataclass(frozen=True)
class ExportedArrays:
    """What a version holds of users and items. Rows are dense ids.

    Attributes:
        user_ids: Raw user ids.
        item_ids: Raw item ids.
        seen_starts: int64 ``[users + 1]``: where the training items of each user start in ``seen_items``.
        seen_items: int64 ``[n]``: training items, user after user.
        user_embeddings: float32 ``[users, d]``; None for a baseline.
        item_embeddings: float32 ``[items, d]``; None for a baseline.
        modality_shares: float32 ``[items, M]``, modalities in alphabetical order; None without a fusion.
        kernel_coordinates: float32 ``[items, S]``: distances between rows are distances between the generated kernels
            of the items; None where no kernels are generated, or the version was exported before they were written.
        attention: Attention to the tokens of the items; None without a fusion over time that has any.
    """

    user_ids: list[str]
    item_ids: list[str]
    seen_starts: NDArray[np.int64]
    seen_items: NDArray[np.int64]
    user_embeddings: NDArray[np.float32] | None
    item_embeddings: NDArray[np.float32] | None
    modality_shares: NDArray[np.float32] | None
    kernel_coordinates: NDArray[np.float32] | None
    attention: Attention | None


def read_exported_arrays(version: Path) -> ExportedArrays:
    """Reads the arrays of a version directory.

    Raises:
        InvalidInputError: A file is missing or cannot be read.
    """
    try:
        users, items = (_ids(version / "assets" / f"{kind}.txt") for kind in ("users", "items"))
        with taken_literally(version) as literal:
            variables = _Variables(Path(literal))
            starts = variables.read("_seen/_row_splits")
            seen = variables.read("_seen/_items")
            queries = variables.read_if_there("_queries")
            embeddings = _item_embeddings(variables)
            shares = variables.read_if_there("_shares")
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(f"{version}: cannot be read ({reason}). Export the model again.") from error
    return ExportedArrays(
        user_ids=users,
        item_ids=items,
        seen_starts=starts[: len(users) + 1].astype(np.int64),
        seen_items=seen.astype(np.int64),
        user_embeddings=None if queries is None else queries[: len(users)],
        item_embeddings=embeddings,
        modality_shares=shares,
        kernel_coordinates=read_kernel_coordinates(version),
        attention=read_attention(version),
    )


class _Variables:
    """Variables of a SavedModel by the path of their attribute."""

    def __init__(self, version: Path) -> None:
        self._checkpoint = tf.train.load_checkpoint(str(version / "variables" / "variables"))
        self._names = self._checkpoint.get_variable_to_shape_map()

    def read(self, path: str) -> NDArray[np.generic]:
        return self._checkpoint.get_tensor(path + _VALUE)

    def read_if_there(self, path: str) -> NDArray[np.float32] | None:
        return self._checkpoint.get_tensor(path + _VALUE) if path + _VALUE in self._names else None


def _item_embeddings(variables: _Variables) -> NDArray[np.float32] | None:
    embeddings = variables.read_if_there("indices/scores/vectors")
    if embeddings is not None:
        return embeddings
    in_parts = variables.read_if_there("indices/scores/_exact/vectors")
    # A partitioned index keeps the items of a part together.
    return None if in_parts is None else in_parts[variables.read("indices/scores/_order/_place")]


def _ids(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").split("\n")[:-1]
