"""RecBole atomic files: NAME.inter and NAME.item, their headers made of field:type."""

from dataclasses import dataclass
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import RawData
from tf_metammf.records.raw_files.bad_rows import BadRows
from tf_metammf.records.raw_files.delimited_text import UNQUOTED_TAB_SEPARATED, read_text, text_column_names
from tf_metammf.records.raw_files.feature_columns import features_from_table, multi_hot_from_table
from tf_metammf.records.raw_files.feature_files import chosen_modalities
from tf_metammf.records.raw_files.input_files import fingerprints, only_file, require_file
from tf_metammf.records.raw_files.interaction_table import InteractionColumns, interactions_from_tables, raw_data
from tf_metammf.records.raw_files.named_features import NamedFeatures
from tf_metammf.records.raw_files.tables import ColumnKind, require_columns
from tf_metammf.records.read_request import ReadRequest

SKIPS_ROWS = True
"""Whether rows that cannot be read can be left out."""

_TYPES = ("token", "token_seq", "float", "float_seq")


@dataclass(frozen=True)
class Options:
    """Options of the source ``recbole``.

    Attributes:
        modalities: Fields of ``NAME.item`` to take as modalities, of the type float_seq, or
            token_seq, which becomes multi-hot; by default all fields of the type float_seq.
        user_column: Field of the raw user ids.
        item_column: Field of the raw item ids, in both files.
        rating_column: Field of the ratings, if there is one.
        timestamp_column: Field of the timestamps, if there is one.
    """

    modalities: tuple[str, ...] | None = None
    user_column: str = "user_id"
    item_column: str = "item_id"
    rating_column: str = "rating"
    timestamp_column: str = "timestamp"


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Reads a folder of RecBole atomic files.

    A modality is called like its field. Of a token_seq field, value j is 1 where the item has the
    j-th token; the tokens are listed under ``tokens`` in the provenance.

    Args:
        path: The folder.
        options: Fields.
        request: What the conversion needs, and what to do with rows that cannot be read; by default everything, and
            the first such row is an error.

    Returns:
        The data, without splits. Raw ids are the tokens.

    Raises:
        InvalidInputError: A file is missing, empty or malformed, or a field is missing or of
            another type.
    """
    request = request or ReadRequest()
    bad_rows = request.bad_rows
    interaction_file = only_file(path, "*.inter")
    item_file = interaction_file.with_suffix(".item")
    require_file(item_file)
    fields = _fields(interaction_file)
    require_columns(interaction_file, fields, [options.user_column, options.item_column])
    columns = InteractionColumns(
        user=_typed(options.user_column, fields),
        item=_typed(options.item_column, fields),
        rating=_typed(options.rating_column, fields) if request.ratings and options.rating_column in fields else None,
        timestamp=_typed(options.timestamp_column, fields) if options.timestamp_column in fields else None,
    )
    table = read_text(interaction_file, columns.kinds(), text=UNQUOTED_TAB_SEPARATED, bad_rows=bad_rows)
    rows_read = len(table) + len(bad_rows.rejected)
    interactions = interactions_from_tables([table], columns, bad_rows=bad_rows, source="recbole")
    rows_rejected = bad_rows.counts()
    features, tokens = _read_features(item_file, options, bad_rows)
    return raw_data(
        interaction_file.stem,
        interactions,
        features,
        provenance={"files": fingerprints(path, [interaction_file, item_file]), "tokens": tokens},
        rows_read=rows_read,
        rows_rejected=rows_rejected,
    )


def _fields(file: Path) -> dict[str, str]:
    """Type of every field, by its name."""
    header = text_column_names(file, UNQUOTED_TAB_SEPARATED)
    fields = {}
    for column in header:
        name, _, field_type = column.rpartition(":")
        if not name or field_type not in _TYPES:
            raise InvalidInputError(
                f'{file}: has "{column}" in its header, expected field:type with one of the types '
                f"{', '.join(_TYPES)}. Mend the header."
            )
        fields[name] = field_type
    return fields


def _typed(name: str, fields: dict[str, str]) -> str:
    return f"{name}:{fields[name]}"


def _read_features(
    file: Path, options: Options, bad_rows: BadRows
) -> tuple[dict[str, NamedFeatures], dict[str, list[str]]]:
    """Features by modality, and the tokens of the multi-hot ones."""
    fields = _fields(file)
    require_columns(file, fields, [options.item_column])
    by_type = {kind: [name for name in fields if fields[name] == kind] for kind in _TYPES}
    possible = by_type["float_seq"] if options.modalities is None else by_type["float_seq"] + by_type["token_seq"]
    modalities = chosen_modalities(possible, options.modalities)
    if not modalities:
        raise InvalidInputError(
            f"{file}: has no field of the type float_seq; its fields are {', '.join(fields)}. Add one, or take a field "
            "of the type token_seq with --recbole.modalities."
        )
    item = _typed(options.item_column, fields)
    columns = {name: _typed(name, fields) for name in modalities}
    kinds: dict[str, ColumnKind] = {item: "id", **dict.fromkeys(columns.values(), "text")}
    table = read_text(file, kinds, text=UNQUOTED_TAB_SEPARATED, bad_rows=bad_rows)
    features: dict[str, NamedFeatures] = {}
    tokens: dict[str, list[str]] = {}
    for name, column in columns.items():
        if fields[name] == "token_seq":
            features[name], tokens[name] = multi_hot_from_table(table, item, column)
        else:
            features[name] = features_from_table(table, item, [column])
    return features, tokens
