"""MMGCN folders, the layout of the paper: user_item_dict*.npy and {v,a,t}_feat*.npy."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.raw_files.feature_files import MODALITY_NAMES, chosen_modalities, load_row_matrices
from tf_metammf.records.raw_files.input_files import fingerprints, only_file, require_folder
from tf_metammf.records.raw_files.restricted_pickle import load_object_array
from tf_metammf.records.read_request import ReadRequest

_NO_ITEMS = np.zeros(0, np.int64)
_LARGEST_NUMBER = 10**9
_LARGEST_USER = 10**6
"""A larger number is taken for a mistake unless there are users enough for it."""


@dataclass(frozen=True)
class Options:
    """Options of the source ``mmgcn``.

    Attributes:
        modalities: Names of the modalities to keep; all of them by default.
        item_offset: What to subtract from an item number to get its row in the feature files;
            by default the number of users if the numbers call for it, else 0.
    """

    modalities: tuple[str, ...] | None = None
    item_offset: int | None = None


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Reads a folder in the layout of MMGCN.

    ``user_item_dict*.npy`` is a pickled dictionary from user to items. It is read by an unpickler
    that builds containers, numbers and arrays and nothing else. Users are the numbers from 0 to
    the largest key; items are the rows of the feature files, ``v_feat*.npy`` (the modality
    "visual"), ``a_feat*.npy`` ("acoustic") and ``t_feat*.npy`` ("textual"). Raw ids are the
    numbers in the dictionary, which may count items on from the users.

    Args:
        path: The folder.
        options: Modalities and offset.
        request: What the conversion needs; the layout has neither ratings nor rows.

    Returns:
        The data, without splits.

    Raises:
        InvalidInputError: A file is missing, empty, damaged or malformed, or asks for code; a
            number is out of range or ambiguous; or the modalities disagree about the items.
    """
    del request
    require_folder(path)
    dictionary_file = only_file(path, "user_item_dict*.npy")
    feature_files = _feature_files(path, options)
    features = load_row_matrices(feature_files)
    items = len(next(iter(features.values())))
    users, user, number = _pairs(dictionary_file)
    offset = _item_offset(number, users, items, file=dictionary_file, options=options)
    return RawData(
        name=path.resolve().name,
        user_ids=[str(user_number) for user_number in range(users)],
        item_ids=[str(item + offset) for item in range(items)],
        interactions=Interactions(user, number - offset),
        modalities={name: ModalityFeatures(matrix, np.arange(items)) for name, matrix in features.items()},
        provenance={"files": fingerprints(path, [dictionary_file, *feature_files.values()])},
    )


def _feature_files(folder: Path, options: Options) -> dict[str, Path]:
    files = {
        MODALITY_NAMES[letter]: only_file(folder, f"{letter}_feat*.npy")
        for letter in "vat"
        if any(folder.glob(f"{letter}_feat*.npy"))
    }
    if not files:
        raise InvalidInputError(
            f"{folder}: has no feature file v_feat*.npy, a_feat*.npy or t_feat*.npy. Put one there for every modality."
        )
    return {name: files[name] for name in chosen_modalities(files, options.modalities)}


def _pairs(file: Path) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """The number of users, and user and item number of every interaction."""
    array = load_object_array(file)
    content = array.item() if array.shape == () else array
    if not isinstance(content, dict) or not all(_is_collection(items) for items in content.values()):
        raise InvalidInputError(f"{file}: expected a dictionary from user to a list of items. Write it again.")
    # A set has no order of its own, and the order decides the splits.
    item_of = [_numbers(list(items), "item", file) if len(items) else _NO_ITEMS for items in content.values()]
    lists = [
        np.sort(items) if isinstance(given, set | frozenset) else items
        for items, given in zip(item_of, content.values(), strict=True)
    ]
    if not any(len(items) for items in lists):
        raise InvalidInputError(f"{file}: has no items. Fetch or write the file again.")
    item = np.concatenate(lists)
    user = _numbers(list(content), "user", file)
    if user.max() > max(_LARGEST_USER, 10 * len(user)):
        raise InvalidInputError(
            f"{file}: has the user {user.max()}; every number up to the largest is a user, and it lists {len(user)}. "
            "Number the users from 0 without gaps."
        )
    return int(user.max()) + 1, np.repeat(user, [len(items) for items in lists]), item


def _is_collection(items: object) -> bool:
    if isinstance(items, np.ndarray):
        return items.ndim == 1
    return isinstance(items, Collection) and not isinstance(items, str | bytes | dict)


def _numbers(values: list[Any], kind: str, file: Path) -> NDArray[np.int64]:
    if not values:
        raise InvalidInputError(f"{file}: has no {kind}s. Fetch or write the file again.")
    for value in values:
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise InvalidInputError(f"{file}: has the {kind} {value!r}, expected whole numbers. Write it again.")
        if not 0 <= value <= _LARGEST_NUMBER:
            raise InvalidInputError(
                f"{file}: has the {kind} {value}, expected 0 to {_LARGEST_NUMBER}. Number the {kind}s from 0."
            )
    return np.array(values, np.int64)


def _item_offset(number: NDArray[np.int64], users: int, items: int, *, file: Path, options: Options) -> int:
    smallest, largest = int(number.min()), int(number.max())
    candidates = [0, users] if options.item_offset is None else [options.item_offset]
    fitting = [offset for offset in candidates if smallest >= offset and largest - offset < items]
    if not fitting:
        tried = " or ".join(str(offset) for offset in candidates)
        raise InvalidInputError(
            f"{file}: has items {smallest} to {largest}, and the feature files {items} rows; less {tried}, some item "
            "has no row. Write a row for every item, or give --mmgcn.item_offset."
        )
    if len(fitting) > 1:
        raise InvalidInputError(
            f"{file}: items {smallest} to {largest} may be rows of the feature files ({items}) as they are or less "
            f"the number of users ({users}). Say which with --mmgcn.item_offset 0 or {users}."
        )
    return fitting[0]
