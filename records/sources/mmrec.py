"""MMRec folders: NAME.inter with a split label, and one *_feat.npy a modality."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import SPLITS, Interactions, ModalityFeatures, RawData
from tf_metammf.records.raw_files.delimited_text import UNQUOTED_TAB_SEPARATED, read_text, text_column_names
from tf_metammf.records.raw_files.feature_files import (
    chosen_modalities,
    files_by_modality,
    load_row_matrices,
    notes_on_user_features,
)
from tf_metammf.records.raw_files.input_files import fingerprints, only_file
from tf_metammf.records.raw_files.interaction_table import split_labels
from tf_metammf.records.raw_files.tables import ColumnKind, Table
from tf_metammf.records.raw_files.time_columns import exact_times
from tf_metammf.records.read_request import ReadRequest

_FEATURE_ENDING = "_feat"
_LARGEST_USER = 10**6
"""A larger number is taken for a mistake unless there are interactions enough for it."""


@dataclass(frozen=True)
class Options:
    """Options of the source ``mmrec``.

    Attributes:
        modalities: Names of the modalities to keep; all of them by default.
        user_column: Column of the user numbers.
        item_column: Column of the item numbers, which are rows of the feature files.
        split_column: Column of the split: 0 or train, 1 or validation, 2 or test.
        rating_column: Column of the ratings, if there is one.
        timestamp_column: Column of the timestamps, if there is one.
    """

    modalities: tuple[str, ...] | None = None
    user_column: str = "userID"
    item_column: str = "itemID"
    split_column: str = "x_label"
    rating_column: str = "rating"
    timestamp_column: str = "timestamp"


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Reads a folder in the layout of the MMRec toolbox.

    Users are the numbers from 0 to the largest one in ``NAME.inter``; items are the rows of the
    feature files, so an item may have features and no interaction. Raw ids are these numbers.
    ``image_feat.npy`` is the modality "visual", ``audio_feat.npy`` "acoustic", ``text_feat.npy``
    "textual"; any other keeps its name.

    Args:
        path: The folder.
        options: Columns and modalities.
        request: What the conversion needs; everything by default.

    Returns:
        The data, with the splits of the folder.

    Raises:
        InvalidInputError: A file is missing, empty or malformed, a number is out of range, or
            the modalities disagree about the number of items.
    """
    interaction_file = only_file(path, "*.inter")
    feature_files = _feature_files(path, options)
    features = load_row_matrices(feature_files)
    items = len(next(iter(features.values())))
    table = _read_interactions(interaction_file, options, request or ReadRequest())
    interactions, unit = _interactions(table, options)
    _check_numbers(interactions, items, table=table, options=options)
    return RawData(
        name=interaction_file.stem,
        user_ids=[str(user) for user in range(int(interactions.user.max()) + 1)],
        item_ids=[str(item) for item in range(items)],
        interactions=interactions,
        modalities={name: ModalityFeatures(matrix, np.arange(items)) for name, matrix in features.items()},
        splits=_splits(interactions, table, options),
        provenance={"files": fingerprints(path, [interaction_file, *feature_files.values()])}
        | ({} if unit is None else {"timestamp_unit": unit}),
        notes=notes_on_user_features(path.glob("*.npy"), [_FEATURE_ENDING]),
    )


def _feature_files(folder: Path, options: Options) -> dict[str, Path]:
    files = files_by_modality(folder.glob(f"*{_FEATURE_ENDING}.npy"), [_FEATURE_ENDING])
    if not files:
        raise InvalidInputError(
            f"{folder}: has no feature file *{_FEATURE_ENDING}.npy. Put one there for every modality."
        )
    return {name: files[name] for name in chosen_modalities(files, options.modalities)}


def _read_interactions(file: Path, options: Options, request: ReadRequest) -> Table:
    present = text_column_names(file, UNQUOTED_TAB_SEPARATED)
    kinds: dict[str, ColumnKind] = dict.fromkeys((options.user_column, options.item_column), "integer")
    kinds[options.split_column] = "id"
    if request.ratings and options.rating_column in present:
        kinds[options.rating_column] = "number"
    if options.timestamp_column in present:
        kinds[options.timestamp_column] = "time"
    return read_text(file, kinds, text=UNQUOTED_TAB_SEPARATED)


def _interactions(table: Table, options: Options) -> tuple[Interactions, str | None]:
    """The interactions, and what their timestamps are stored in."""
    timestamp, unit = None, None
    if options.timestamp_column in table.names:
        timestamp, unit = exact_times(table, options.timestamp_column, source="mmrec")
    interactions = Interactions(
        user=table.integers(options.user_column),
        item=table.integers(options.item_column),
        timestamp=timestamp,
        rating=table.numbers(options.rating_column) if options.rating_column in table.names else None,
    )
    return interactions, unit


def _check_numbers(interactions: Interactions, items: int, *, table: Table, options: Options) -> None:
    for column, numbers in ((options.user_column, interactions.user), (options.item_column, interactions.item)):
        if numbers.min() < 0:
            row = int(np.argmax(numbers < 0))
            raise InvalidInputError(
                f'{table.path}: record {row + 1} has {numbers[row]} in column "{column}"; numbers start at 0. Fix it.'
            )
    largest_user = max(_LARGEST_USER, 10 * len(interactions))
    if interactions.user.max() > largest_user:
        row = int(np.argmax(interactions.user > largest_user))
        raise InvalidInputError(
            f"{table.path}: record {row + 1} has user {interactions.user[row]}; every number up to the largest is a "
            f"user, and {len(interactions)} interactions cannot have that many. Number the users from 0 without gaps."
        )
    if interactions.item.max() >= items:
        row = int(np.argmax(interactions.item >= items))
        raise InvalidInputError(
            f"{table.path}: record {row + 1} has item {interactions.item[row]}, but the feature files have rows 0 to "
            f"{items - 1}. Write feature files with a row for every item."
        )


def _splits(interactions: Interactions, table: Table, options: Options) -> dict[str, Interactions]:
    labels = split_labels(table, options.split_column)
    return {split: interactions.take(labels == label) for label, split in enumerate(SPLITS)}
