"""MMGCN folders, the layout of the paper: user_item_dict*.npy, {v,a,t}_feat*.npy, maybe train.npy and others."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_data import SPLITS, Interactions, ModalityFeatures, RawData
from tf_metammf.records.raw_files.feature_files import MODALITY_NAMES, chosen_modalities, load_row_matrices
from tf_metammf.records.raw_files.input_files import fingerprints, only_file, require_folder
from tf_metammf.records.raw_files.split_names import splits_of_files
from tf_metammf.records.raw_files.user_item_arrays import UserItemPairs, read_dictionary, read_pairs
from tf_metammf.records.read_request import ReadRequest

_SPLIT_FILE = re.compile(r"(?P<word>[A-Za-z]+)(?P<full>_full)?(?P<rest>.*)")


@dataclass(frozen=True)
class Options:
    """Options of the source ``mmgcn``.

    Attributes:
        modalities: Names of the modalities to keep; all of them by default.
        item_offset: What to subtract from an item number to get its row in the feature files;
            by default the number of users if the numbers require it, otherwise 0.
    """

    modalities: tuple[str, ...] | None = None
    item_offset: int | None = None


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Reads a folder in the layout of MMGCN.

    ``user_item_dict*.npy`` is a pickled dictionary from user to items. It is read by an unpickler
    that builds containers, numbers and arrays and nothing else. Users are the numbers from 0 to
    the largest one; items are the rows of the feature files, ``v_feat*.npy`` (the modality
    "visual"), ``a_feat*.npy`` ("acoustic") and ``t_feat*.npy`` ("textual"). Raw ids are the
    numbers in the dictionary, which may count items on from the users.

    The splits are those of ``train.npy``, ``val_full.npy`` and ``test_full.npy``, where they are
    there: numbers ``[n, 2]`` of user and item, or lists of a user and items. Of ``val.npy`` and
    ``val_full.npy`` the full one is read. The dictionary may then hold all interactions, or those
    of training. It may be missing if there is a file of training, and the other way round: what
    is in the dictionary and neither in validation nor in test is training.

    Args:
        path: The folder.
        options: Modalities and offset.
        request: What to do with pairs that are not two possible numbers; by default the first one is an error. The
            layout has no ratings.

    Returns:
        The data, with splits where there are files of splits.

    Raises:
        InvalidInputError: A file is missing, empty, damaged or malformed, or asks for code; a
            number is out of range or ambiguous; the modalities disagree about the items; or the
            dictionary and the files of splits about the interactions.
    """
    bad_rows = (request or ReadRequest()).bad_rows
    require_folder(path)
    split_files = _split_files(path)
    has_dictionary = any(path.glob("user_item_dict*.npy")) or "train" not in split_files
    dictionary_file = only_file(path, "user_item_dict*.npy") if has_dictionary else None
    feature_files = _feature_files(path, options)
    features = load_row_matrices(feature_files)
    items = len(next(iter(features.values())))
    dictionary, parts = _read_pairs(dictionary_file, split_files, bad_rows, items=items, options=options)
    read = [*([] if dictionary is None else [dictionary]), *parts.values()]
    users = max(pairs.users for pairs in read)
    offsets = _item_offsets(dictionary, list(parts.values()), users, items, options)
    whole = None if dictionary is None else _interactions(dictionary, offsets)
    splits = None
    if parts:
        splits = _splits(whole, {split: _interactions(pairs, offsets) for split, pairs in parts.items()}, path)
        whole = Interactions(
            user=np.concatenate([splits[name].user for name in SPLITS]),
            item=np.concatenate([splits[name].item for name in SPLITS]),
        )
    assert whole is not None  # there is a dictionary or a file of training
    files = [pairs.path for pairs in read]
    return RawData(
        name=path.resolve().name,
        user_ids=[str(user_number) for user_number in range(users)],
        item_ids=[str(item + offsets[read[0].path]) for item in range(items)],
        interactions=whole,
        modalities={name: ModalityFeatures(matrix, np.arange(items)) for name, matrix in features.items()},
        splits=splits,
        provenance={"files": fingerprints(path, [*files, *feature_files.values()])},
        rows_rejected=bad_rows.counts(),
    )


def _read_pairs(
    dictionary_file: Path | None, split_files: dict[str, Path], bad_rows: BadRows, *, items: int, options: Options
) -> tuple[UserItemPairs | None, dict[str, UserItemPairs]]:
    """The pairs of the dictionary and of the files of splits.

    Which items have a row depends on the offset. If it is not given, it follows from all items, and an item without
    a row is an error of the file and not of a pair.
    """

    def with_rows(pairs: UserItemPairs, rejected: BadRows) -> UserItemPairs:
        if options.item_offset is None:
            return pairs
        rows = pairs.item - options.item_offset
        reason = (
            f"has the item {{}}, which minus {options.item_offset} is none of the {items} rows of the feature files"
        )
        return pairs.without((rows < 0) | (rows >= items), rejected, kind="item without features", reason=reason)

    parts = {split: with_rows(read_pairs(file, bad_rows), bad_rows) for split, file in split_files.items()}
    if dictionary_file is None:
        return None, parts
    # It may hold the pairs of the splits once more: those that are listed already are not listed again.
    listed = {row.text for row in bad_rows.rejected}
    of_dictionary = BadRows(skip=bad_rows.skip)
    dictionary = with_rows(read_dictionary(dictionary_file, of_dictionary), of_dictionary)
    bad_rows.add(row for row in of_dictionary.rejected if row.text not in listed)
    return dictionary, parts


def _split_files(folder: Path) -> dict[str, Path]:
    """The file of each split, in the order of ``SPLITS``; none unless there is one of validation or test."""
    found = {file.name: _SPLIT_FILE.fullmatch(file.stem) for file in folder.glob("*.npy")}
    dictionaries = {file.stem.removeprefix("user_item_dict") for file in folder.glob("user_item_dict*.npy")}
    named = {
        name: match for name, match in found.items() if match and (not match["rest"] or match["rest"] in dictionaries)
    }
    files = {}
    for split, names in splits_of_files((match["word"], name) for name, match in named.items()).items():
        full = [name for name in names if named[name]["full"]]
        if len(full or names) > 1:
            raise InvalidInputError(
                f"{folder}: {', '.join(full or names)} are all recognised as the {split} split; expected one. Move "
                "the others away."
            )
        files[split] = folder / (full or names)[0]
    return files


def _interactions(pairs: UserItemPairs, offsets: dict[Path, int]) -> Interactions:
    return Interactions(pairs.user, pairs.item - offsets[pairs.path])


def _splits(dictionary: Interactions | None, parts: dict[str, Interactions], folder: Path) -> dict[str, Interactions]:
    """The interactions of every split, agreed with the dictionary."""
    if dictionary is not None:
        _require_agreement(dictionary, parts, folder)
        if "train" not in parts:
            held_out = np.concatenate([_keys(part) for part in parts.values()])
            parts = {**parts, "train": dictionary.take(~np.isin(_keys(dictionary), held_out))}
    nothing = Interactions(np.zeros(0, np.int64), np.zeros(0, np.int64))
    return {name: parts.get(name, nothing) for name in SPLITS}


def _require_agreement(dictionary: Interactions, parts: dict[str, Interactions], folder: Path) -> None:
    """Refuses a dictionary that holds something else than all interactions, or those of training."""
    whole = _keys(dictionary)
    inside = {split: np.isin(_keys(part), whole) for split, part in parts.items()}
    remedy = "Write the files again, or move away the dictionary or the files of splits."
    for split, found in inside.items():
        if not found.all() and (split == "train" or found.any()):
            row = int(np.argmin(found))
            raise InvalidInputError(
                f"{folder}: the files disagree. {int((~found).sum())} of {len(found)} interactions of the {split} "
                f"split are not in user_item_dict, such as user {parts[split].user[row]} and the item of feature row "
                f"{parts[split].item[row]}. {remedy}"
            )
    missing = ~np.isin(whole, np.concatenate([_keys(part) for part in parts.values()]))
    if "train" in parts and missing.any():
        row = int(np.argmax(missing))
        raise InvalidInputError(
            f"{folder}: the files disagree. {int(missing.sum())} of {len(whole)} interactions of user_item_dict are in "
            f"no split, such as user {dictionary.user[row]} and the item of feature row {dictionary.item[row]}. "
            f"{remedy}"
        )


def _keys(interactions: Interactions) -> NDArray[np.int64]:
    """User and item in one number each; both are below 2**31."""
    return (interactions.user << 31) | interactions.item


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


def _item_offsets(
    dictionary: UserItemPairs | None, parts: list[UserItemPairs], users: int, items: int, options: Options
) -> dict[Path, int]:
    """What to subtract from the item numbers of every file: the same for all, or else one for the files of splits."""
    groups = [group for group in ([dictionary] if dictionary else [], parts) if group]
    whole = [pairs for group in groups for pairs in group]
    if _fitting(np.concatenate([pairs.item for pairs in whole]), users, items, options):
        groups = [whole]
    offsets = {}
    for group in groups:
        number = np.concatenate([pairs.item for pairs in group])
        offset = _item_offset(number, users, items, file=group[0].path, options=options)
        offsets.update({pairs.path: offset for pairs in group})
    return offsets


def _fitting(number: NDArray[np.int64], users: int, items: int, options: Options) -> list[int]:
    """Offsets that make every number a row of the feature files."""
    smallest, largest = int(number.min()), int(number.max())
    candidates = [0, users] if options.item_offset is None else [options.item_offset]
    return [offset for offset in candidates if smallest >= offset and largest - offset < items]


def _item_offset(number: NDArray[np.int64], users: int, items: int, *, file: Path, options: Options) -> int:
    smallest, largest = int(number.min()), int(number.max())
    fitting = _fitting(number, users, items, options)
    if not fitting:
        tried = f"0 or {users}" if options.item_offset is None else str(options.item_offset)
        raise InvalidInputError(
            f"{file}: has items {smallest} to {largest}, and the feature files {items} rows; minus {tried}, some item "
            "has no row. Write a row for every item, or give --mmgcn.item_offset, with which --on_error skip leaves "
            "such items out."
        )
    if len(fitting) > 1:
        raise InvalidInputError(
            f"{file}: items {smallest} to {largest} may be rows of the feature files ({items}) either as they are or "
            f"minus the number of users ({users}). Say which with --mmgcn.item_offset 0 or {users}."
        )
    return fitting[0]
