"""Raw ids to dense ids: distinct ids of all batches, numbered once, and looked up where they are.

Numbering needs all distinct ids of a kind on one worker, as text. Looking up does not: batches send their ids to
the part of the vocabulary that knows them, and get numbers back.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_files.dense_ids import in_order
from tf_metammf.records.raw_files.id_spelling import alike

Names = tuple[Any, list[str]]
"""The key of a batch, and the distinct raw ids in it."""


def distinct(names: "beam.PCollection[Names]", label: str, *, partitions: int) -> "beam.PCollection[Any]":
    """Distinct raw ids by part of the vocabulary, with the origins that have them.

    Args:
        names: Raw ids of batches; the key begins with the origin of the batch.
        label: Name of the transforms.
        partitions: Number of parts.

    Returns:
        ``(part, {origin: set of ids})``.
    """
    return (
        names
        | f"{label}: send ids" >> beam.FlatMap(_by_part_and_origin, partitions)
        | f"{label}: by part" >> beam.GroupByKey()
        | f"{label}: distinct" >> beam.Map(_distinct)
    )


def numbered(parts: "beam.PCollection[Any]", label: str, *, partitions: int) -> Any:
    """Numbers all ids from 0 in the order of :func:`tf_metammf.records.raw_files.dense_ids.in_order`.

    Args:
        parts: What :func:`distinct` returns.
        label: Name of the transforms.
        partitions: Number of parts.

    Returns:
        Two collections: the one list of all ids in order, and ``(part, {id: number})``.
    """
    ordered = (
        parts
        | f"{label}: ids" >> beam.Map(lambda entry: sorted(set().union(*entry[1].values())))
        | f"{label}: all ids" >> beam.combiners.ToList()
        | f"{label}: order" >> beam.Map(_all_in_order)
    )
    return ordered, ordered | f"{label}: number" >> beam.FlatMap(_numbers, partitions)


def look_up(
    names: "beam.PCollection[Names]", numbers: "beam.PCollection[Any]", label: str, *, partitions: int
) -> "beam.PCollection[tuple[Any, NDArray[np.int64]]]":
    """Dense ids of the raw ids of every batch, in their order, by the key of the batch."""
    requests = names | f"{label}: ask" >> beam.FlatMap(_requests, partitions)
    return (
        {"numbers": numbers, "requests": requests}
        | f"{label}: meet" >> beam.CoGroupByKey()
        | f"{label}: answer" >> beam.FlatMap(_answers)
        | f"{label}: by batch" >> beam.GroupByKey()
        | f"{label}: fill" >> beam.MapTuple(_filled)
    )


def part_of_id(raw: str, partitions: int) -> int:
    """The part of the vocabulary that knows an id; the same for ids that look alike, so that they are seen together."""
    return zlib.crc32(alike(raw).encode()) % partitions


def _by_part(ids: Iterable[str], partitions: int) -> dict[int, tuple[list[int], list[str]]]:
    """By part: the places of its ids, and the ids."""
    found: dict[int, tuple[list[int], list[str]]] = {}
    for place, raw in enumerate(ids):
        places, of_part = found.setdefault(part_of_id(raw, partitions), ([], []))
        places.append(place)
        of_part.append(raw)
    return found


def _by_part_and_origin(names: Names, partitions: int) -> Iterator[tuple[int, tuple[str, list[str]]]]:
    key, ids = names
    for part, (_, of_part) in _by_part(ids, partitions).items():
        yield part, (key[0], of_part)


def _distinct(entry: tuple[int, Iterable[tuple[str, list[str]]]]) -> tuple[int, dict[str, set[str]]]:
    part, batches = entry
    found: dict[str, set[str]] = {}
    for origin, ids in batches:
        found.setdefault(origin, set()).update(ids)
    return part, found


def _all_in_order(parts: list[list[str]]) -> list[str]:
    return in_order([raw for part in parts for raw in part])


def _numbers(ordered: list[str], partitions: int) -> Iterator[tuple[int, dict[str, int]]]:
    for part, (places, ids) in _by_part(ordered, partitions).items():
        yield part, dict(zip(ids, places, strict=True))


def _requests(names: Names, partitions: int) -> Iterator[tuple[int, tuple[Any, list[int], list[str]]]]:
    key, ids = names
    for part, (places, of_part) in _by_part(ids, partitions).items():
        yield part, (key, places, of_part)


def _answers(entry: tuple[int, dict[str, Any]]) -> Iterator[tuple[Any, tuple[list[int], NDArray[np.int64]]]]:
    _, found = entry
    for numbers in found["numbers"]:
        for key, places, ids in found["requests"]:
            yield key, (places, np.array([numbers[raw] for raw in ids], np.int64))


def _filled(key: Any, answers: Iterable[tuple[list[int], NDArray[np.int64]]]) -> tuple[Any, NDArray[np.int64]]:
    found = list(answers)
    numbers = np.empty(sum(len(places) for places, _ in found), np.int64)
    for places, values in found:
        numbers[places] = values
    return key, numbers
