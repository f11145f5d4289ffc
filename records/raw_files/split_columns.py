"""Columns of splits in tables of raw data."""

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.raw_files.dense_ids import id_column, lacks_id
from tf_metammf.records.raw_files.split_names import SPLIT_LABELS
from tf_metammf.records.raw_files.tables import Table

EXPECTED_SPLITS = "expected train, validation, test or 0, 1, 2"


def has_no_split(table: Table, name: str) -> NDArray[np.bool_]:
    """Which rows have no known split in a column, bool ``[n]``."""
    lacking = lacks_id(table, name)
    if lacking.all():
        return lacking
    column = id_column(table.filtered(~lacking), name)
    unknown = np.array([_label(raw) is None for raw in column.distinct], bool)
    lacking[~lacking] = unknown[column.codes]
    return lacking


def split_labels(table: Table, name: str) -> NDArray[np.int64]:
    """Of every row the position of its split in ``SPLITS``."""
    column = id_column(table, name)
    labels = np.array([-1 if (label := _label(raw)) is None else label for raw in column.distinct], np.int64)[
        column.codes
    ]
    unknown = np.flatnonzero(labels < 0)[:1]
    if len(unknown):
        raise table.bad_rows(unknown, "unknown split", f'column "{name}" holds "{{}}"; {EXPECTED_SPLITS}', shown=name)[
            0
        ].error()
    return labels


def _label(raw: str) -> int | None:
    return next((label for label, split in enumerate(SPLITS) if raw.lower() in SPLIT_LABELS[split]), None)
