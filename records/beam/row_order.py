"""The rank of every interaction among those that remain, and its place in a random order of all of them.

A random order is drawn as the local conversion draws it, so it is the same order. It is one list of numbers, drawn on
one worker, which holds 16 bytes an interaction for it; interactions themselves meet only the part of it that they need.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.beam.columns import Columns, collected, end_to_end, length, parts, starts, take, total

Ranks = dict[str, dict[int, tuple[int, int]]]
"""By group and block: the ranks from the first up to the second number."""


def ranked(rows: "beam.PCollection[tuple[str, Columns]]", label: str, *, block_rows: int) -> tuple[Any, Any]:
    """Ranks interactions of a group by their column ``order``.

    Args:
        rows: Batches by group.
        label: Name of the transforms.
        block_rows: Orders that make up a block, the part in which rows are sorted.

    Returns:
        ``((group, block), batch)`` with the column ``order`` replaced by ranks, and :data:`Ranks` as a side input.
    """
    blocks = (
        rows
        | f"{label}: by block" >> beam.FlatMap(_by_block, block_rows)
        | f"{label}: block" >> beam.GroupByKey()
        | f"{label}: sort" >> beam.MapTuple(_sorted)
    )
    counts = blocks | f"{label}: count" >> beam.MapTuple(lambda key, batch: (key, length(batch)))
    ranks = collected(counts, label, starts)
    return blocks | f"{label}: rank" >> beam.Map(_with_ranks, ranks), ranks


def with_places(
    blocks: "beam.PCollection[Any]",
    ranks: Any,
    label: str,
    draw: Callable[..., NDArray[np.int64]],
    *arguments: Any,
    groups: Iterable[str],
) -> "beam.PCollection[Any]":
    """Adds the column ``place``: where an interaction is in a random order of its group.

    Args:
        blocks: What :func:`ranked` returns first.
        ranks: What it returns second.
        label: Name of the transforms.
        draw: ``draw(group, count, *arguments)``: the ranks in their random order, int64 ``[count]``.
        arguments: More arguments of it, side inputs among them.
        groups: The groups that may occur.
    """
    places = (
        blocks.pipeline
        | f"{label}: groups" >> beam.Create(list(groups))
        | f"{label}: draw" >> beam.FlatMap(_places, ranks, draw, *arguments)
    )
    return (
        {"rows": blocks, "places": places}
        | f"{label}: meet" >> beam.CoGroupByKey()
        | f"{label}: places" >> beam.MapTuple(_with_places)
    )


def _by_block(entry: tuple[str, Columns], block_rows: int) -> Iterator[tuple[tuple[str, int], Columns]]:
    group, rows = entry
    for block, part in parts(rows, rows["order"] // block_rows):
        yield (group, block), part


def _sorted(key: tuple[str, int], batches: Iterable[Columns]) -> tuple[tuple[str, int], Columns]:
    rows = end_to_end(batches)
    return key, take(rows, np.argsort(rows["order"]))


def _with_ranks(entry: tuple[tuple[str, int], Columns], ranks: Ranks) -> tuple[tuple[str, int], Columns]:
    (group, block), rows = entry
    return (group, block), {**rows, "order": np.arange(*ranks[group][block])}


def _places(group: str, ranks: Ranks, draw: Callable[..., NDArray[np.int64]], *arguments: Any) -> Iterator[Any]:
    blocks = ranks.get(group, {})
    order = draw(group, total(blocks), *arguments)
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    for block, (start, stop) in blocks.items():
        yield (group, block), places[start:stop].copy()


def _with_places(key: Any, found: dict[str, Any]) -> tuple[Any, Columns]:
    (rows,), (places,) = found["rows"], found["places"]
    return key, {**rows, "place": places}
