"""Tables: interactions and features as CSV, TSV, Parquet, .npz or .npy, ids of any text."""

from dataclasses import dataclass
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import RawData
from tf_metammf.records.raw_files.column_roles import interaction_columns
from tf_metammf.records.raw_files.feature_files import chosen_modalities, files_by_modality
from tf_metammf.records.raw_files.feature_tables import feature_file_parts, read_features
from tf_metammf.records.raw_files.input_files import fingerprints, require_file, require_folder
from tf_metammf.records.raw_files.interaction_table import interactions_from_table, raw_data
from tf_metammf.records.raw_files.table_files import TABLE_SUFFIXES, column_names, read_columns

_INTERACTION_STEMS = ("interactions", "inter", "ratings", "events", "clicks")
_FEATURE_ENDINGS = ("_features", "_feat")


@dataclass(frozen=True)
class Options:
    """Options of the source ``tabular``.

    Attributes:
        interactions: File of the interactions, in the folder; by default the only one called
            interactions, inter, ratings, events or clicks.
        features: Feature file of each modality, in the folder, as ``{visual: frames.parquet}``;
            by default all files called ``NAME_features`` or ``NAME_feat``. ``{}`` means none.
        modalities: Names of the modalities to keep; all of them by default.
        user_column: Column of the raw user ids; recognised by default.
        item_column: Column of the raw item ids; recognised by default.
        rating_column: Column of the ratings; recognised by default; "" for none.
        timestamp_column: Column of the timestamps; recognised by default; "" for none.
        split_column: Column of the splits (train, validation, test, or 0, 1, 2); recognised by
            default; "" for none.
    """

    interactions: str | None = None
    features: dict[str, str] | None = None
    modalities: tuple[str, ...] | None = None
    user_column: str | None = None
    item_column: str | None = None
    rating_column: str | None = None
    timestamp_column: str | None = None
    split_column: str | None = None


def read(path: Path, options: Options) -> RawData:
    """Reads tables of interactions and of features.

    Interactions have a column of users, one of items, and maybe one of ratings, timestamps and
    splits. The features of a modality are one of

    - a table with a column of items and one column of lists (in CSV and TSV: numbers with
      spaces, commas or semicolons between), or with one column of numbers for every value;
    - ``.npz`` with an array of item ids and a matrix of features;
    - ``NAME.npy`` beside ``NAME_ids.txt``, whose line i is the raw id of row i;
    - ``NAME.npy`` alone, if every item id of the interactions is the number of a row.

    An item without a row, or with an empty one, lacks the modality.

    Args:
        path: A folder, or the file of the interactions; then no feature files are looked for
            and those named in the options are beside it.
        options: Files, columns and modalities.

    Returns:
        The data, with splits where there is a column of splits.

    Raises:
        InvalidInputError: A file is missing, empty, damaged, malformed or ambiguous.
    """
    folder = path.parent if path.is_file() else path
    require_folder(folder)
    interaction_file = path if path.is_file() else _interaction_file(folder, options)
    feature_files = _feature_files(folder, options, discover=path.is_dir())
    columns = interaction_columns(
        interaction_file,
        column_names(interaction_file),
        {
            "user": options.user_column,
            "item": options.item_column,
            "rating": options.rating_column,
            "timestamp": options.timestamp_column,
            "split": options.split_column,
        },
    )
    interactions = interactions_from_table(read_columns(interaction_file, columns.kinds()), columns)
    features = {
        modality: read_features(file, options.item_column, interacted=interactions.item.distinct)
        for modality, file in feature_files.items()
    }
    parts = [part for file in feature_files.values() for part in feature_file_parts(file)]
    return raw_data(
        interaction_file.stem if path.is_file() else path.resolve().name,
        interactions,
        features,
        provenance={"files": fingerprints(folder, [interaction_file, *parts])},
    )


def _interaction_file(folder: Path, options: Options) -> Path:
    if options.interactions is not None:
        return folder / options.interactions
    matches = [file for file in _table_files(folder) if file.stem in _INTERACTION_STEMS]
    if len(matches) != 1:
        found = ", ".join(file.name for file in matches) or "none"
        raise InvalidInputError(
            f"{folder}: expected one file of interactions called {', '.join(_INTERACTION_STEMS)} "
            f"({', '.join(TABLE_SUFFIXES)}), found {found}. Name it with --tabular.interactions."
        )
    return matches[0]


def _feature_files(folder: Path, options: Options, *, discover: bool) -> dict[str, Path]:
    if options.features is not None:
        files = {modality: folder / file for modality, file in options.features.items()}
    elif discover:
        files = _discovered_feature_files(folder)
    else:
        files = {}
    for file in files.values():
        require_file(file)
    return {modality: files[modality] for modality in chosen_modalities(files, options.modalities)}


def _discovered_feature_files(folder: Path) -> dict[str, Path]:
    files = files_by_modality(_table_files(folder), _FEATURE_ENDINGS)
    if not files:
        raise InvalidInputError(
            f"{folder}: has no feature file called NAME_features or NAME_feat ({', '.join(TABLE_SUFFIXES)}). Name the "
            "files with --tabular.features, or say --tabular.features '{}' for none."
        )
    return files


def _table_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in TABLE_SUFFIXES and file.is_file())
