"""Tables: interactions and features as CSV, TSV, Parquet, .npz or .npy, ids of any text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.media.feature_tables import provenance_of_extraction
from tf_metammf.records.raw_data import RawData
from tf_metammf.records.raw_files.column_roles import interaction_columns
from tf_metammf.records.raw_files.compressed_text import table_stem, table_suffix
from tf_metammf.records.raw_files.delimited_text import TextFormat
from tf_metammf.records.raw_files.feature_tables import feature_file_parts, read_features, read_tokens
from tf_metammf.records.raw_files.input_files import fingerprints, require_file, require_folder
from tf_metammf.records.raw_files.interaction_table import InteractionColumns, interactions_from_tables, raw_data
from tf_metammf.records.raw_files.named_features import NamedFeatures
from tf_metammf.records.raw_files.preferences_from_logs import LogFile, preferences_from_logs
from tf_metammf.records.raw_files.table_choice import table_files
from tf_metammf.records.raw_files.table_files import (
    TEXT_FORMATS,
    column_names,
    read_columns,
    text_format,
)
from tf_metammf.records.raw_files.weight_columns import with_weight_formula
from tf_metammf.records.read_request import ReadRequest


@dataclass(frozen=True)
class Options:
    """Options of the source ``tabular``.

    Attributes:
        interactions: File of the interactions, in the folder, or a pattern that all its parts match, as
            ``views-*.parquet``; by default the only one called interactions, inter, ratings, events or clicks, or
            the files of the splits, called train, validation and test.
        features: Feature file of each modality, in the folder, as ``{visual: frames.parquet}``;
            by default all files called ``NAME_features`` or ``NAME_feat`` but those of users. ``{}`` means none.
        modalities: Names of the modalities to keep; all of them by default.
        user_column: Column of the raw user ids; recognised by default.
        item_column: Column of the raw item ids; recognised by default.
        rating_column: Column of the ratings; recognised by default; "" for none.
        timestamp_column: Column of the timestamps; recognised by default; "" for none.
        split_column: Column of the splits (train, validation, test, or 0, 1, 2); recognised by
            default; "" for none.
        feature_item_columns: Column of the raw item ids in the feature file of a modality, as ``{visual: clip}``,
            where it is another than item_column; recognised by default.
        token_columns: Column of words in the feature file of a modality, as ``{genres: genres}``, with | between (or ;
            or commas, where no row has |): value j is 1 where the item has the j-th word.
        tokens: Whether the token sequences of features that "records extract" wrote are read, instead of the vectors
            beside them. Files that have nothing but sequences give those in any case.
        separator: Character between the columns of text files, or comma, semicolon, tab or pipe; recognised by
            default.
        quoted: Whether a quote at the start of a value in text files quotes it; recognised by default.
        timestamp_format: How times are written, as Python's strptime takes it: ``%d/%m/%Y %H:%M``; by default
            numbers, ISO 8601, and dates whose day and month cannot be mistaken are recognised.
        weight: Weight of an interaction: a column of numbers, or a formula over columns, as ``min(seconds / duration,
            1)``; none by default, so that all count the same. See docs/records.md.
    """

    interactions: str | None = None
    features: dict[str, str] | None = None
    modalities: tuple[str, ...] | None = None
    user_column: str | None = None
    item_column: str | None = None
    rating_column: str | None = None
    timestamp_column: str | None = None
    split_column: str | None = None
    feature_item_columns: dict[str, str] | None = None
    token_columns: dict[str, str] | None = None
    tokens: bool = False
    separator: str | None = None
    quoted: bool | None = None
    timestamp_format: str | None = None
    weight: str | None = None

    later: ClassVar[frozenset[str]] = frozenset({"tokens", "weight"})
    """Options that record sets only name where they are set, because earlier versions had none."""

    def chosen_files(self) -> dict[str, Any]:
        """The files that the user named, for :func:`tf_metammf.records.raw_files.table_choice.table_files`."""
        return {"interactions": self.interactions, "features": self.features, "modalities": self.modalities}

    def text_format(self, file: str) -> TextFormat | None:
        """How a file is delimited, by the ending of its name; None if it is not text."""
        suffix = table_suffix(file)
        return text_format(suffix, separator=self.separator, quoted=self.quoted) if suffix in TEXT_FORMATS else None

    def feature_item_column(self, modality: str) -> str | None:
        """Column of the item ids in the feature file of a modality; None recognises it."""
        return (self.feature_item_columns or {}).get(modality, self.item_column)


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Reads tables of interactions and of features.

    Interactions have a column of users, one of items, and maybe one of ratings, timestamps and
    splits. The features of a modality are one of

    - a table with a column of items and one column of lists (in CSV and TSV: numbers with
      spaces, commas or semicolons between), or with one column of numbers for every value; or a table with a column of
      words that ``token_columns`` names, which become multi-hot and are listed under ``tokens`` in the provenance;
    - a table (Parquet) with a column of items and one column of lists of lists, which are token sequences, maybe with
      a column ``times`` of the seconds of each token;
    - ``.npz`` with an array of item ids and a matrix of features; or, for token sequences, with item ids, ``lengths``
      (the number of tokens of each), a matrix of all tokens one after another, and maybe ``times`` of all tokens;
    - ``NAME.npy`` beside ``NAME_ids.txt``, whose line i is the raw id of row i;
    - ``NAME.npy`` alone, if every item id of the interactions is the number of a row.

    An item without a row, or with an empty one, lacks the modality. Files of features of users,
    as ``user_features.npy``, are left out.

    Instead of a column of splits there may be a file for each split, called ``train``,
    ``validation`` (or ``valid``, ``val``, ``dev``) and ``test``, maybe with one of the names of
    interactions before or after, as ``ratings_test.csv``.

    Args:
        path: A folder, or the file of the interactions; then no feature files are looked for
            and those named in the options are beside it.
        options: Files, columns and modalities.
        request: What the conversion needs, and what to do with rows that cannot be read; by default everything, and
            the first such row is an error.

    Returns:
        The data, with splits where there is a column of splits or a file for each.

    Raises:
        InvalidInputError: A file is missing, empty, damaged, malformed or ambiguous.
    """
    request = request or ReadRequest()
    bad_rows = request.bad_rows
    folder = path.parent if path.is_file() else path
    require_folder(folder)
    names = [file.name for file in folder.iterdir() if file.is_file()]
    files = table_files(
        folder, [path.name] if path.is_file() else names, **options.chosen_files(), only_file=path.is_file()
    )
    interaction_files = [folder / name for name in files.interactions]
    feature_files = {modality: folder / name for modality, name in files.features.items()}
    for file in feature_files.values():
        require_file(file)
    for modality in options.token_columns or {}:
        if modality not in feature_files:
            raise unknown_name("modality", modality, feature_files)
    tables = []
    for file in interaction_files:
        text = options.text_format(file.name)
        columns = columns_of_interactions(file, column_names(file, text), options, request)
        table = read_columns(file, columns.kinds(), text=text, bad_rows=bad_rows)
        tables.append(replace(table, columns=table.columns.select(list(columns.kinds()))))
    if files.splits is not None:
        require_no_split_column(folder, columns)
    rows_read = sum(map(len, tables)) + len(bad_rows.rejected)
    interactions = interactions_from_tables(
        tables, columns, splits=files.splits, bad_rows=bad_rows, timestamp_format=options.timestamp_format
    )
    rows_rejected = bad_rows.counts()
    features: dict[str, NamedFeatures] = {}
    tokens: dict[str, list[str]] = {}
    for modality, file in feature_files.items():
        item, text = options.feature_item_column(modality), options.text_format(file.name)
        column = (options.token_columns or {}).get(modality)
        if column is None:
            interacted = interactions.item.distinct
            features[modality] = read_features(
                file, item, interacted=interacted, text=text, bad_rows=bad_rows, tokens=options.tokens
            )
        else:
            features[modality], tokens[modality] = read_tokens(file, column, item, text=text, bad_rows=bad_rows)
    parts = [part for file in feature_files.values() for part in feature_file_parts(file)]
    provenance: dict[str, object] = {"files": fingerprints(folder, [*interaction_files, *parts])}
    if extraction := provenance_of_extraction(feature_files):
        provenance["extraction"] = extraction
    data = raw_data(
        table_stem(path) if path.is_file() else path.resolve().name,
        interactions,
        features,
        provenance=provenance | ({"tokens": tokens} if tokens else {}),
        rows_read=rows_read,
        rows_rejected=rows_rejected,
        notes=files.notes,
    )
    if request.preferences is None:
        return data
    logs = [LogFile(file, options.text_format(file.name)) for file in interaction_files]
    found = preferences_from_logs(
        logs,
        columns,
        request.preferences,
        timestamp_format=options.timestamp_format,
        bad_rows=request.bad_preference_rows,
        listed_before=bad_rows.rejected,
    )
    return replace(data, preferences=found)


def require_no_split_column(folder: Path, columns: InteractionColumns) -> None:
    """Refuses a column of splits in files that are splits themselves.

    Raises:
        InvalidInputError: There is one.
    """
    if columns.split is not None:
        raise InvalidInputError(
            f'{folder}: has a file for each split, and a column of splits, "{columns.split}". Choose the files with '
            "--tabular.split_column '', or name the one file with the column with --tabular.interactions."
        )


def columns_of_interactions(
    path: Path, names: Sequence[str], options: Options, request: ReadRequest
) -> InteractionColumns:
    """Finds the columns of a file of interactions that are needed; see :func:`interaction_columns`."""
    named = {
        "user": options.user_column,
        "item": options.item_column,
        "rating": options.rating_column if request.ratings else "",
        "timestamp": options.timestamp_column,
        "split": options.split_column if request.splits else "",
    }
    return with_weight_formula(interaction_columns(path, names, named), options.weight, path, names)
