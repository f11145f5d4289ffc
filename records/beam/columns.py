"""Batches of parallel columns: cut into parts by a key, and laid end to end."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
"""Columns of one length by name."""

Key = TypeVar("Key", bound=Hashable)


def length(columns: Columns) -> int:
    """Rows of a batch."""
    return len(next(iter(columns.values())))


def take(columns: Columns, rows: NDArray[Any]) -> Columns:
    """Some rows of a batch: indices, or a boolean mask."""
    return {name: column[rows] for name, column in columns.items()}


def parts(columns: Columns, part_of: NDArray[np.int64]) -> Iterator[tuple[int, Columns]]:
    """Cuts a batch into parts.

    Args:
        columns: The batch.
        part_of: The part of every row, int64 ``[n]``.

    Yields:
        Every part that has rows, with its number; rows keep their order.
    """
    if not len(part_of):
        return
    order = np.argsort(part_of, kind="stable")
    ordered = part_of[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        yield int(ordered[start]), take(columns, order[start:stop])


def end_to_end(batches: Iterable[Columns]) -> Columns:
    """Lays batches of the same columns end to end, at least one of them."""
    found = list(batches)
    return {name: np.concatenate([batch[name] for batch in found]) for name in found[0]}


def of_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the parts of an element as one of the element, with side inputs after it.

    Beam's ``MapTuple`` does the same, but for functions whose side inputs have defaults.
    """
    return lambda element, *side_inputs: function(*element, *side_inputs)


def collected(elements: "beam.PCollection[Any]", label: str, finish: Callable[..., Any], *side_inputs: Any) -> Any:
    """``finish`` of the list of all elements, to be a side input; the elements have to be few or small."""
    listed = elements | f"{label}: collect" >> beam.combiners.ToList()
    return beam.pvalue.AsSingleton(listed | f"{label}: finish" >> beam.Map(finish, *side_inputs))


def starts(counts: Sequence[tuple[Any, int]]) -> dict[Any, dict[Any, tuple[int, int]]]:
    """Where the parts of every group begin when they are laid end to end.

    Args:
        counts: Rows by ``(group, part)``.

    Returns:
        By group and part, in the order of the parts: the rows before it, and after it.
    """
    found: dict[Any, dict[Any, tuple[int, int]]] = {}
    for (group, part), count in sorted(counts):
        of_group = found.setdefault(group, {})
        before = next(reversed(of_group.values()))[1] if of_group else 0
        of_group[part] = (before, before + count)
    return found


def total(of_group: dict[Any, tuple[int, int]]) -> int:
    """Rows of all parts of a group together."""
    return next(reversed(of_group.values()))[1] if of_group else 0
