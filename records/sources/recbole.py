"""RecBole atomic files: NAME.inter, or NAME.train.inter and others, and NAME.item; headers made of field:type."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_data import RawData
from tf_metammf.records.raw_files.delimited_text import UNQUOTED_TAB_SEPARATED, read_text, text_column_names
from tf_metammf.records.raw_files.dense_ids import with_ids_of_items
from tf_metammf.records.raw_files.feature_columns import features_from_table, multi_hot_from_table
from tf_metammf.records.raw_files.feature_files import chosen_modalities
from tf_metammf.records.raw_files.input_files import fingerprints, only_file, require_file, require_folder
from tf_metammf.records.raw_files.interaction_table import (
    InteractionColumns,
    NamedInteractions,
    interactions_from_tables,
    raw_data,
)
from tf_metammf.records.raw_files.named_features import NamedFeatures
from tf_metammf.records.raw_files.split_names import splits_of_files
from tf_metammf.records.raw_files.tables import ColumnKind, require_columns
from tf_metammf.records.raw_files.weight_columns import with_weight_formula
from tf_metammf.records.read_request import ReadRequest

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
        weight: Weight of an interaction: a column of numbers, or a formula over fields, as ``min(seconds / duration,
            1)``; none by default, so that all count the same. See docs/records.md.
    """

    modalities: tuple[str, ...] | None = None
    user_column: str = "user_id"
    item_column: str = "item_id"
    rating_column: str = "rating"
    timestamp_column: str = "timestamp"
    weight: str | None = None

    later: ClassVar[frozenset[str]] = frozenset({"weight"})
    """Options that a record set names only where they are given, as earlier releases did not have them."""


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Reads a folder of RecBole atomic files.

    A modality is called like its field. Of a token_seq field, value j is 1 where the item has the
    j-th token; the tokens are listed under ``tokens`` in the provenance.

    The splits are those of the benchmark files ``NAME.train.inter``, ``NAME.valid.inter`` and
    ``NAME.test.inter``, where they are there. ``NAME.inter`` beside them has to hold the same
    pairs of user and item.

    Args:
        path: The folder.
        options: Fields.
        request: What the conversion needs, and what to do with rows that cannot be read; by default everything, and
            the first such row is an error.

    Returns:
        The data, with splits where there are benchmark files. Raw ids are the tokens.

    Raises:
        InvalidInputError: A file is missing, empty or malformed, a field is missing or of
            another type, or ``NAME.inter`` and the benchmark files disagree.
    """
    request = request or ReadRequest()
    bad_rows = request.bad_rows
    files = _interaction_files(path)
    item_file = path / f"{files.name}.item"
    require_file(item_file)
    interactions, rows_read = _read_interactions(files.parts, files.splits, options, request)
    rows_rejected = bad_rows.counts()
    read = list(files.parts)
    if files.splits is not None and files.whole is not None:
        # Its rows are those of the parts, so the ones that cannot be read are counted and listed there.
        again = replace(request, bad_rows=replace(bad_rows, rejected=[]))
        _require_agreement(_read_interactions([files.whole], None, options, again)[0], interactions, files)
        read.append(files.whole)
    features, tokens = _read_features(item_file, options, bad_rows)
    return raw_data(
        files.name,
        interactions,
        features,
        provenance={"files": fingerprints(path, [*read, item_file]), "tokens": tokens},
        rows_read=rows_read,
        rows_rejected=rows_rejected,
    )


@dataclass(frozen=True)
class _InteractionFiles:
    """Which files hold the interactions.

    Attributes:
        name: NAME of all files.
        parts: The files to read, those of splits in the order of ``SPLITS``.
        splits: The split of every part; None without files of splits.
        whole: ``NAME.inter``, if it is there.
    """

    name: str
    parts: list[Path]
    splits: list[str] | None
    whole: Path | None


def _interaction_files(folder: Path) -> _InteractionFiles:
    require_folder(folder)
    words = [(file.stem.rpartition("."), file.name) for file in folder.glob("*.inter")]
    by_split = splits_of_files((word, file) for (name, _, word), file in words if name)
    if not by_split:
        whole = only_file(folder, "*.inter")
        return _InteractionFiles(whole.stem, [whole], None, whole)
    of_splits = [file for files in by_split.values() for file in files]
    names = {name for (name, _, _), file in words if file in of_splits}
    if len(names) > 1 or len(of_splits) > len(by_split) or "train" not in by_split:
        raise InvalidInputError(
            f"{folder}: has the benchmark files {', '.join(sorted(of_splits))}; expected one data set with one file of "
            "training and at most one each of validation and test. Move the others away."
        )
    name = names.pop()
    others = sorted(file for _, file in words if file not in of_splits and file != f"{name}.inter")
    if others:
        raise InvalidInputError(
            f"{folder}: has {', '.join(others)} beside the benchmark files of {name}. Move the others away."
        )
    whole = folder / f"{name}.inter"
    parts = [folder / files[0] for files in by_split.values()]
    return _InteractionFiles(name, parts, list(by_split), whole if whole.is_file() else None)


def _read_interactions(
    files: Sequence[Path], splits: Sequence[str] | None, options: Options, request: ReadRequest
) -> tuple[NamedInteractions, int]:
    """The interactions of files with the same header, one after the other, with the splits of the files.

    Returns:
        The interactions, and the number of rows in the files, those left out included.
    """
    columns = [_columns(file, options, request) for file in files]
    for file, of_file in zip(files, columns, strict=True):
        if of_file != columns[0]:
            raise InvalidInputError(
                f"{file}: has other fields than {files[0].name}, expected the same in all files. Use the same fields."
            )
    tables = [
        read_text(file, columns[0].kinds(), text=UNQUOTED_TAB_SEPARATED, bad_rows=request.bad_rows) for file in files
    ]
    rows = sum(map(len, tables)) + len(request.bad_rows.rejected)
    named = interactions_from_tables(tables, columns[0], splits=splits, bad_rows=request.bad_rows, source="recbole")
    return named, rows


def _columns(file: Path, options: Options, request: ReadRequest) -> InteractionColumns:
    fields = _fields(file)
    require_columns(file, fields, [options.user_column, options.item_column])
    columns = InteractionColumns(
        user=_typed(options.user_column, fields),
        item=_typed(options.item_column, fields),
        rating=_typed(options.rating_column, fields) if request.ratings and options.rating_column in fields else None,
        timestamp=_typed(options.timestamp_column, fields) if options.timestamp_column in fields else None,
    )
    return with_weight_formula(columns, options.weight, file, {name: _typed(name, fields) for name in fields})


def _require_agreement(whole: NamedInteractions, parts: NamedInteractions, files: _InteractionFiles) -> None:
    """Refuses ``NAME.inter`` with other pairs than the benchmark files have."""
    pairs = [
        {(named.user.distinct[user], named.item.distinct[item]) for user, item in _codes(named)}
        for named in (whole, parts)
    ]
    if pairs[0] != pairs[1]:
        user, item = min(pairs[0] ^ pairs[1])
        raise InvalidInputError(
            f"{files.name}.inter and the benchmark files beside it disagree about {len(pairs[0] ^ pairs[1])} pairs of "
            f'user and item, such as "{user}" and "{item}". Move {files.name}.inter or the benchmark files away.'
        )


def _codes(named: NamedInteractions) -> Iterator[tuple[int, int]]:
    return zip(named.user.codes.tolist(), named.item.codes.tolist(), strict=True)


def _fields(file: Path) -> dict[str, str]:
    """Type of every field, by its name."""
    header = text_column_names(file, UNQUOTED_TAB_SEPARATED)
    fields = {}
    for column in header:
        name, _, field_type = column.rpartition(":")
        if not name or field_type not in _TYPES:
            raise InvalidInputError(
                f'{file}: has "{column}" in its header, expected field:type with one of the types '
                f"{', '.join(_TYPES)}. Fix the header."
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
    table = with_ids_of_items(read_text(file, kinds, text=UNQUOTED_TAB_SEPARATED, bad_rows=bad_rows), item, bad_rows)
    features: dict[str, NamedFeatures] = {}
    tokens: dict[str, list[str]] = {}
    for name, column in columns.items():
        if fields[name] == "token_seq":
            features[name], tokens[name] = multi_hot_from_table(table, item, column)
        else:
            features[name] = features_from_table(table, item, [column])
    return features, tokens
