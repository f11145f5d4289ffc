"""Matrices of features in ``.npy`` files, and the names of their modalities."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.raw_files.compressed_text import table_stem
from tf_metammf.records.raw_files.input_files import one_line, require_file

MODALITY_NAMES = {
    "image": "visual",
    "video": "visual",
    "v": "visual",
    "audio": "acoustic",
    "a": "acoustic",
    "text": "textual",
    "t": "textual",
}
"""What toolboxes call a modality, and what it is called here; any other name stays."""

_OF_USERS = ("user", "users", "viewer", "viewers", "customer", "customers")


class MatrixFile:
    """A matrix in a ``.npy`` file, of which rows are read when they are asked for.

    The file is mapped into memory for as long as that takes. A mapping that stays would count every page ever read
    as memory of the process, in the end the whole file.

    Args:
        path: The file.
        shape: ``(rows, width)``.
        dtype: Type of the values.
    """

    def __init__(self, path: Path, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """``[n, width]`` for the numbers of rows ``[n]``.

        Raises:
            InvalidInputError: The file changed since it was opened.
        """
        mapped = _mapped(self.path)
        if (mapped.shape, mapped.dtype) != (self.shape, self.dtype):
            raise InvalidInputError(f"{self.path}: changed while it was being read. Convert again when it is complete.")
        return np.asarray(mapped)[rows]


def load_matrix(path: Path) -> MatrixFile:
    """Opens a matrix of numbers.

    Args:
        path: A ``.npy`` file.

    Returns:
        ``[rows, width]``, in the type of the file.

    Raises:
        InvalidInputError: The file is missing, empty or damaged, or holds something else.
    """
    matrix = _mapped(path)
    require_matrix(matrix, str(path))
    return MatrixFile(path, matrix.shape, matrix.dtype)


def _mapped(path: Path) -> NDArray[Any]:
    require_file(path)
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # damaged headers raise whatever the parser of Python thinks of them
        raise InvalidInputError(
            f"{path}: is not a readable .npy file of numbers ({one_line(error)}). Write it again."
        ) from error
    if not isinstance(matrix, np.ndarray):
        matrix.close()
        raise InvalidInputError(f"{path}: is an archive of several arrays, expected one matrix in a .npy file.")
    return matrix


def require_matrix(matrix: NDArray[np.generic], thing: str) -> None:
    """Refuses an array that is no matrix of numbers with at least one row and one column.

    Args:
        matrix: The array.
        thing: What it is, for the message.

    Raises:
        InvalidInputError: It has another type or shape.
    """
    if matrix.dtype.kind not in "fiu" or matrix.ndim != 2 or 0 in matrix.shape:
        raise InvalidInputError(
            f"{thing}: holds {matrix.dtype} {list(matrix.shape)}, expected numbers [items, width]. Write it again."
        )


def load_row_matrices(files: Mapping[str, Path]) -> dict[str, MatrixFile]:
    """Opens one matrix a modality, row i of each for item i.

    Args:
        files: A ``.npy`` file by modality name, at least one.

    Returns:
        ``[items, width]`` by modality name.

    Raises:
        InvalidInputError: A file is not acceptable, or they differ in their number of rows.
    """
    matrices = {name: load_matrix(file) for name, file in files.items()}
    if len({len(matrix) for matrix in matrices.values()}) > 1:
        found = ", ".join(f"{files[name].name} {len(matrix)}" for name, matrix in matrices.items())
        folder = next(iter(files.values())).parent
        raise InvalidInputError(
            f"{folder}: the feature files differ in rows ({found}), expected one row per item in each. "
            "Write them again, or leave one out with the option modalities."
        )
    return matrices


def files_by_modality(files: Iterable[Path], endings: Sequence[str]) -> dict[str, Path]:
    """Sorts out feature files by the modality in their names.

    Args:
        files: Any files.
        endings: What follows the modality in the stem of a feature file, e.g. ``"_feat"``; files
            without such an ending are left out, and so are features of users.

    Returns:
        The feature files by modality name; see :data:`MODALITY_NAMES`.

    Raises:
        InvalidInputError: Two files are of one modality.
    """
    found: dict[str, Path] = {}
    for file in sorted(files):
        name = _what_has_features(file, endings)
        if name is None or _is_of_users(name):
            continue
        modality = MODALITY_NAMES.get(name, name)
        if modality in found:
            raise InvalidInputError(
                f'{file.parent}: {found[modality].name} and {file.name} both belong to the modality "{modality}". '
                "Move one of them away."
            )
        found[modality] = file
    return found


def notes_on_user_features(files: Iterable[Path], endings: Sequence[str]) -> tuple[str, ...]:
    """Says which feature files are left out because their names say that they are of users, a sentence each."""
    named = [(file, _what_has_features(file, endings)) for file in sorted(files)]
    return tuple(
        f"{file.name} was left out: its name says user features, and modalities belong to items."
        for file, name in named
        if name is not None and _is_of_users(name)
    )


def _what_has_features(file: Path, endings: Sequence[str]) -> str | None:
    """What stands before the ending of a feature file; None for other files."""
    ending = next((ending for ending in endings if table_stem(file).endswith(ending)), None)
    return None if ending is None else table_stem(file).removesuffix(ending)


def _is_of_users(name: str) -> bool:
    return re.split(r"[\W_]+", name.lower())[0] in _OF_USERS


def chosen_modalities(found: Iterable[str], wanted: Sequence[str] | None) -> list[str]:
    """The wanted ones among the modalities found, all of them by default.

    Raises:
        InvalidInputError: A wanted one was not found.
    """
    known = sorted(found)
    for name in wanted or ():
        if name not in known:
            raise unknown_name("modality", name, known)
    return known if wanted is None else sorted(set(wanted))
