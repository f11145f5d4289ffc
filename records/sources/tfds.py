"""TensorFlow Datasets: any set with a user and an item column, MovieLens by default."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_data import RawData
from tf_metammf.records.raw_files.dense_ids import id_column, with_ids_of_items
from tf_metammf.records.raw_files.input_files import require_folder
from tf_metammf.records.raw_files.interaction_table import InteractionColumns, interactions_from_tables, raw_data
from tf_metammf.records.raw_files.named_features import NamedFeatures
from tf_metammf.records.raw_files.tables import Table, require_columns, require_rows
from tf_metammf.records.raw_files.weight_columns import with_weight_formula
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.value_ranges import ValueRanges

_BATCH_SIZE = 65_536
_PADDING = -1


@dataclass(frozen=True)
class Options:
    """Options of the source ``tfds``; its input is the folder that TFDS calls data_dir.

    Attributes:
        dataset: Name of the set, with its configuration and maybe its version.
        split: The split of the set to read; all of it makes up the interactions.
        user_column: Column of the raw user ids.
        item_column: Column of the raw item ids.
        rating_column: Column of the ratings, if there is one.
        timestamp_column: Column of the timestamps, if there is one.
        features: Column of each modality, as ``{genres: movie_genres}``. Class labels become
            multi-hot; numbers are taken as they are.
        weight: Weight of an interaction: a column of numbers, or a formula over columns, as ``min(seconds / duration,
            1)``; none by default, so that all count the same. See docs/records.md.
        download: Whether TFDS may download and prepare the set, if the folder lacks it.
    """

    dataset: str = "movielens/100k-ratings"
    split: str = "train"
    user_column: str = "user_id"
    item_column: str = "movie_id"
    rating_column: str = "user_rating"
    timestamp_column: str = "timestamp"
    features: dict[str, str] = field(default_factory=lambda: {"genres": "movie_genres"})
    weight: str | None = None
    download: bool = False

    later: ClassVar[frozenset[str]] = frozenset({"weight"})
    """Options that a record set names only where they are given, as earlier releases did not have them."""


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Reads a set through ``tfds.load``.

    The features of an item are those of the first example that has the item. What the values of
    a multi-hot modality stand for is listed under ``tokens`` in the provenance.

    Args:
        path: The folder of prepared sets.
        options: The set and its columns.
        request: What the conversion needs, and what to do with examples that lack an id or a time, or whose time
            cannot be read; by default everything, and the first such example is an error.

    Returns:
        The data, without splits.

    Raises:
        InvalidInputError: The set is not there or cannot be loaded, lacks a column, or a column
            does not hold what it has to.
    """
    import tensorflow_datasets as tfds

    request = request or ReadRequest()
    if not options.download:
        require_folder(path)
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS warns of what its own mocks and sets lack
    info = _loaded(options, lambda: tfds.builder(options.dataset, data_dir=path)).info
    origin = Path(info.full_name)
    require_columns(
        origin, sorted(info.features), [options.user_column, options.item_column, *options.features.values()]
    )
    columns = InteractionColumns(
        options.user_column,
        options.item_column,
        rating=options.rating_column if request.ratings and options.rating_column in info.features else None,
        timestamp=options.timestamp_column if options.timestamp_column in info.features else None,
    )
    columns = with_weight_formula(columns, options.weight, origin, sorted(info.features))
    for name in columns.kinds():
        if info.features[name].shape != ():
            raise InvalidInputError(
                f'{origin}: column "{name}" holds {info.features[name]}, expected one value a row. Name another column.'
            )
    tokens = {name: _tokens(info.features[column], column, origin) for name, column in options.features.items()}
    table, features = _read_columns(_batches(path, columns, options), columns, tokens, origin=origin, options=options)
    interactions = interactions_from_tables([require_rows(table)], columns, bad_rows=request.bad_rows, source="tfds")
    return raw_data(
        info.name,
        interactions,
        features,
        provenance={
            "dataset": info.full_name,
            "split": options.split,
            "tokens": {name: names for name, names in tokens.items() if names},
        },
        rows_read=len(table),
        rows_rejected=request.bad_rows.counts(),
    )


def _loaded(options: Options, load: Callable[[], Any]) -> Any:
    """What TFDS loads; it raises many kinds of errors, over many lines."""
    try:
        return load()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise InvalidInputError(
            f'TFDS cannot load "{options.dataset}": {reason}. Check --tfds.dataset, --tfds.split and the input folder, '
            "or let TFDS fetch the set with --tfds.download true."
        ) from error


def _tokens(feature: Any, column: str, origin: Path) -> list[str]:
    """Names of the class labels in a column, or none if it holds numbers."""
    import tensorflow_datasets as tfds

    label = feature.feature if isinstance(feature, tfds.features.Sequence) else feature
    if isinstance(label, tfds.features.ClassLabel):
        return label.names or [str(number) for number in range(label.num_classes)]
    if not _is_numeric(feature.np_dtype) or len(feature.shape) > 1 or None in feature.shape:
        raise InvalidInputError(
            f'{origin}: column "{column}" holds {feature}, expected class labels, or the same number '
            "of values for every item. Choose another column with --tfds.features."
        )
    return []


def _is_numeric(dtype: Any) -> bool:
    """Whether values are numbers: those of NumPy, bfloat16, or True and False."""
    return bool(np.issubdtype(dtype, np.number) or np.issubdtype(dtype, np.bool_)) or np.dtype(dtype).name == "bfloat16"


def _batches(path: Path, columns: InteractionColumns, options: Options) -> Iterator[dict[str, NDArray[Any]]]:
    """The columns, batch by batch; shorter lists of class labels are padded with -1."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    wanted = tfds.decode.PartialDecoding(dict.fromkeys([*columns.kinds(), *options.features.values()], True))
    dataset = _loaded(
        options,
        lambda: tfds.load(
            options.dataset,
            split=options.split,
            data_dir=path,
            download=options.download,
            decoders=wanted,
            read_config=tfds.ReadConfig(try_autocache=False),
        ),
    )
    # Only lists of class labels differ in length; they are int64.
    padding = {
        name: tf.constant(_PADDING, spec.dtype) if None in spec.shape.as_list() else None
        for name, spec in dataset.element_spec.items()
    }
    try:
        yield from tfds.as_numpy(dataset.padded_batch(_BATCH_SIZE, padding_values=padding))
    except tf.errors.OpError as error:
        raise InvalidInputError(
            f'{path}: the files of "{options.dataset}" cannot be read ({error.message}). Prepare the set again.'
        ) from error


def _read_columns(
    batches: Iterator[dict[str, NDArray[Any]]],
    columns: InteractionColumns,
    tokens: Mapping[str, list[str]],
    *,
    origin: Path,
    options: Options,
) -> tuple[Table, dict[str, NamedFeatures]]:
    """Interactions as a table, and features of every item by its first example."""
    import pyarrow

    parts: list[pyarrow.Table] = []
    first: list[pyarrow.Table] = []
    known: set[Any] = set()
    features: dict[str, list[NDArray[np.float32]]] = {name: [] for name in tokens}
    ranges: dict[str, ValueRanges] = {}
    for batch in batches:
        parts.append(pyarrow.table({name: pyarrow.array(_plain(batch[name])) for name in columns.kinds()}))
        new = []
        for position, raw in enumerate(batch[columns.item].tolist()):
            if raw not in known and raw == raw:  # NaN is no id, and never known
                known.add(raw)
                new.append(position)
        first.append(parts[-1].take(new))
        for name, column in options.features.items() if new else ():
            values = batch[column][new].reshape(len(new), -1)
            features[name].append(_encoded(values, tokens[name], f'{origin}: column "{column}"'))
            if not tokens[name]:
                here = ValueRanges.of(values)
                ranges[name] = ranges[name].joined(here) if name in ranges else here
    if not parts:
        raise InvalidInputError(f'{origin}: the split "{options.split}" is empty. Choose another with --tfds.split.')
    for name, of_modality in ranges.items():
        of_modality.require_distinct(f'{origin}: column "{options.features[name]}"')
    described = Table(origin, pyarrow.concat_tables(first))
    # Interactions without an item are reported as such.
    kept = with_ids_of_items(described, columns.item, BadRows(skip=True))
    rows = np.arange(len(described)) if kept.records is None else kept.records - 1
    ids = id_column(kept, columns.item)
    item_ids = [ids.distinct[code] for code in ids.codes]
    named = {name: NamedFeatures(item_ids, np.concatenate(of)[rows], str(origin)) for name, of in features.items()}
    return Table(origin, pyarrow.concat_tables(parts)), named


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """The same values in a type that Arrow knows."""
    return values.astype(np.float32) if values.dtype.name == "bfloat16" else values


def _encoded(values: NDArray[Any], tokens: list[str], column: str) -> NDArray[np.float32]:
    """Features ``[rows, width]`` of class labels ``[rows, n]`` (multi-hot) or of numbers (as they are)."""
    if not tokens:
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused when it is written
            return values.astype(np.float32)
    features = np.zeros((len(values), len(tokens)), np.float32)
    if values.max(initial=-1) >= len(tokens):
        raise InvalidInputError(
            f"{column} has the class {values.max()}, and the set names {len(tokens)} classes. Prepare the set again."
        )
    row, place = np.nonzero(values >= 0)
    features[row, values[row, place]] = 1
    return features
