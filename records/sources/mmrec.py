"""MMRec folders: NAME.inter with a split label, and one *_feat.npy a modality."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRow, BadRows
from tf_metammf.records.raw_data import SPLITS, Interactions, ModalityFeatures, RawData
from tf_metammf.records.raw_files.delimited_text import UNQUOTED_TAB_SEPARATED, read_text, text_column_names
from tf_metammf.records.raw_files.feature_files import (
    chosen_modalities,
    files_by_modality,
    load_row_matrices,
    notes_on_user_features,
)
from tf_metammf.records.raw_files.input_files import fingerprints, only_file
from tf_metammf.records.raw_files.interaction_table import InteractionColumns, readable_rows
from tf_metammf.records.raw_files.split_columns import split_labels
from tf_metammf.records.raw_files.tables import ColumnKind, Table
from tf_metammf.records.raw_files.timestamps import notes_on_times, provenance_of_times
from tf_metammf.records.raw_files.weight_columns import WEIGHT_OF_ROW, with_weight_formula
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
        weight: Weight of an interaction: a column of numbers, or a formula over columns, as ``min(seconds / duration,
            1)``; none by default, so that all count the same. See docs/records.md.
    """

    modalities: tuple[str, ...] | None = None
    user_column: str = "userID"
    item_column: str = "itemID"
    split_column: str = "x_label"
    rating_column: str = "rating"
    timestamp_column: str = "timestamp"
    weight: str | None = None

    later: ClassVar[frozenset[str]] = frozenset({"weight"})
    """Options that a record set names only where they are given, as earlier releases did not have them."""


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Reads a folder in the layout of the MMRec toolbox.

    Users are the numbers from 0 to the largest one in ``NAME.inter``; items are the rows of the
    feature files, so an item may have features and no interaction. Raw ids are these numbers.
    ``image_feat.npy`` is the modality "visual", ``audio_feat.npy`` "acoustic", ``text_feat.npy``
    "textual"; any other keeps its name.

    Args:
        path: The folder.
        options: Columns and modalities.
        request: What the conversion needs, and what to do with rows that cannot be read; by default everything, and
            the first such row is an error.

    Returns:
        The data, with the splits of the folder.

    Raises:
        InvalidInputError: A file is missing, empty or malformed, a number is out of range, or
            the modalities disagree about the number of items.
    """
    request = request or ReadRequest()
    interaction_file = only_file(path, "*.inter")
    feature_files = _feature_files(path, options)
    features = load_row_matrices(feature_files)
    items = len(next(iter(features.values())))
    columns = _columns(interaction_file, options, request)
    kinds: dict[str, ColumnKind] = {**columns.kinds(), columns.user: "integer", columns.item: "integer"}
    table = read_text(interaction_file, kinds, text=UNQUOTED_TAB_SEPARATED, bad_rows=request.bad_rows)
    rows_read = len(table) + len(request.bad_rows.rejected)
    table = _with_numbers(table, columns, items, request.bad_rows)
    (table,), times = readable_rows([table], columns, request.bad_rows, source="mmrec")
    interactions = Interactions(
        user=table.integers(columns.user),
        item=table.integers(columns.item),
        timestamp=None if columns.timestamp is None else table.integers(columns.timestamp),
        rating=None if columns.rating is None else table.numbers(columns.rating),
        weight=None if columns.weight is None else table.numbers(WEIGHT_OF_ROW),
    )
    labels = split_labels(table, options.split_column)
    return RawData(
        name=interaction_file.stem,
        user_ids=[str(user) for user in range(int(interactions.user.max()) + 1)],
        item_ids=[str(item) for item in range(items)],
        interactions=interactions,
        modalities={name: ModalityFeatures(matrix, np.arange(items)) for name, matrix in features.items()},
        splits={split: interactions.take(labels == label) for label, split in enumerate(SPLITS)},
        provenance={"files": fingerprints(path, [interaction_file, *feature_files.values()])}
        | provenance_of_times(times),
        rows_read=rows_read,
        rows_rejected=request.bad_rows.counts(),
        notes=notes_on_times(times) + notes_on_user_features(path.glob("*.npy"), [_FEATURE_ENDING]),
    )


def _feature_files(folder: Path, options: Options) -> dict[str, Path]:
    files = files_by_modality(folder.glob(f"*{_FEATURE_ENDING}.npy"), [_FEATURE_ENDING])
    if not files:
        raise InvalidInputError(
            f"{folder}: has no feature file *{_FEATURE_ENDING}.npy. Put one there for every modality."
        )
    return {name: files[name] for name in chosen_modalities(files, options.modalities)}


def _columns(file: Path, options: Options, request: ReadRequest) -> InteractionColumns:
    present = text_column_names(file, UNQUOTED_TAB_SEPARATED)
    columns = InteractionColumns(
        options.user_column,
        options.item_column,
        rating=options.rating_column if request.ratings and options.rating_column in present else None,
        timestamp=options.timestamp_column if options.timestamp_column in present else None,
        split=options.split_column,
    )
    return with_weight_formula(columns, options.weight, file, present)


def _with_numbers(table: Table, columns: InteractionColumns, items: int, bad_rows: BadRows) -> Table:
    """The rows whose numbers can be those of a user and of a row of the feature files; a missing number stays."""
    found: list[BadRow] = []
    sound = np.ones(len(table), bool)
    largest_user = max(_LARGEST_USER, 10 * len(table))
    expected = {
        columns.user: (
            largest_user,
            "user",
            f"{largest_user} at most: every number up to the largest is a user, and {len(table)} interactions cannot "
            "have more. Number the users from 0 without gaps",
        ),
        columns.item: (
            items - 1,
            "item",
            f"0 to {items - 1}, the rows of the feature files. Write feature files with a row for every item",
        ),
    }
    for name, (largest, role, wanted) in expected.items():
        numbers = table.columns[name].fill_null(0).to_numpy()
        for rows, reason in (
            (numbers < 0, f'column "{name}" has {{}}; numbers start at 0'),
            (numbers > largest, f'column "{name}" has {role} {{}}, expected {wanted}'),
        ):
            rows = np.flatnonzero(rows & sound)
            found.extend(table.bad_rows(rows, f"{role} out of range", reason, shown=name))
            sound[rows] = False
    bad_rows.add(found)
    return table.filtered(sound)
