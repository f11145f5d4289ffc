"""Weights of interactions in tables of raw data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRow, BadRows
from tf_metammf.records.raw_files.tables import Table
from tf_metammf.records.raw_files.weight_formula import WeightFormula, weight_formula

if TYPE_CHECKING:
    from tf_metammf.records.raw_files.interaction_table import InteractionColumns

WEIGHT_OF_ROW = "weight of the row"
"""The column that :func:`with_weights` adds."""


def with_weight_formula(
    columns: "InteractionColumns", text: str | None, path: Path, found: Sequence[str] | Mapping[str, str]
) -> "InteractionColumns":
    """The columns of interactions with the formula of their weights.

    Args:
        columns: The other columns.
        text: The name of a column or a formula, as the user wrote it; None where interactions have no weights.
        path: The table, for messages.
        found: The columns of the table; by the names that the formula has for them, where those differ.

    Raises:
        InvalidInputError: The formula cannot be read, or takes a column that is not there or holds something else.
    """
    if text is None:
        return columns
    names = found if isinstance(found, Mapping) else {name: name for name in found}
    try:
        formula = weight_formula(text, names)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error
    held = {columns.user: "users", columns.item: "items", columns.timestamp: "times", columns.split: "splits"}
    for name in formula.columns:
        if name in held:
            raise InvalidInputError(
                f'{path}: weight is "{text}", but the column "{name}" holds the {held[name]}. Take columns of numbers.'
            )
    return replace(columns, weight=formula)


def with_weights(table: Table, formula: WeightFormula, bad_rows: BadRows) -> Table:
    """The table with a column of weights, float32.

    Args:
        table: A table with the columns of the formula.
        formula: What the weights are.
        bad_rows: Takes the rows whose weight is missing, undefined, negative or beyond float32.

    Returns:
        The other rows.

    Raises:
        InvalidInputError: A column does not hold numbers, or a row has no weight and is not to be left out.
    """
    import pyarrow

    values = {name: table.numbers_of_64_bits(name) for name in formula.columns}
    weights, undefined = formula.weights(values, len(table))
    with np.errstate(over="ignore"):
        stored = weights.astype(np.float32)
    found: list[BadRow] = []
    sound = np.ones(len(table), bool)

    def leave_out(rows: NDArray[np.bool_], kind: str, reason: str) -> None:
        found.extend(table.bad_rows(np.flatnonzero(rows & sound), kind, reason))
        sound[rows] = False

    # "{}" in a text of the user's is not a place for a value.
    shown = formula.text.replace("{}", "{ }")
    for name, of_column in values.items():
        leave_out(np.isnan(of_column), "no weight", f'column "{name}", of which the weight is made, has no number')
    for what, rows in undefined:
        leave_out(rows, f"{what} in the weight", f'the weight "{shown}" is undefined: {what}')
    leave_out(~np.isfinite(stored), "infinite weight", f'the weight "{shown}" is not finite, or beyond float32')
    leave_out(stored < 0, "negative weight", f'the weight "{shown}" is negative, expected at least 0')
    bad_rows.add(found)
    column = pyarrow.array(stored)
    return replace(table, columns=table.columns.append_column(WEIGHT_OF_ROW, column)).filtered(sound)
