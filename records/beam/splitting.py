"""Splits of interactions, the same as those of :func:`tf_metammf.records.splits.splitting.split_interactions`."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.beam.columns import Columns, collected, end_to_end, of_parts, parts, take, total
from tf_metammf.records.beam.filtering import SumCounts
from tf_metammf.records.beam.row_order import Ranks, ranked, with_places
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.splits.default_split import interactions_of_new, method_of_times
from tf_metammf.records.splits.split_methods import (
    cold_labels,
    first_moments,
    labels_in_time,
    last_labels,
    order_in_time,
    places_of_users,
    random_labels,
)
from tf_metammf.records.splits.splitting import SOURCE_METHOD, Splitting

_ALL, _WARM = "all", "warm"


def split(
    rows: "beam.PCollection[Columns]",
    splitting: Splitting,
    *,
    method: str | None,
    reason: str,
    seed: int,
    items: Any,
    featured: "beam.PCollection[NDArray[np.int64]] | None",
    partitions: int,
    block_rows: int,
) -> "tuple[beam.PCollection[Columns], beam.PCollection[Any]]":
    """Adds the column ``split``, the position in ``SPLITS``, and makes ``order`` the rank among all interactions.

    Args:
        rows: Filtered interactions, with their final ids.
        splitting: The shares.
        method: The method; there are timestamps, or splits of the source, if it needs them. None chooses between
            ``time`` and ``leave_last_out`` by what ``time`` gives.
        reason: Why this method.
        seed: Seed of everything random.
        items: Number of items, as a side input.
        featured: Items that have a modality, in batches; None where there are no modalities.
        partitions: Parts in which all interactions of a user are together.
        block_rows: See :func:`tf_metammf.records.beam.row_order.ranked`.

    Returns:
        The rows, and the method and its reason as the one element of a collection.
    """
    blocks, ranks = ranked(rows | "ranks: all" >> beam.Map(lambda rows: (_ALL, rows)), "ranks", block_rows=block_rows)
    known = rows.pipeline | "split: method" >> beam.Create([(method, reason)])
    if method is None:
        return _by_time_or_last(blocks, splitting, seed, partitions=partitions)
    if method == SOURCE_METHOD:
        return blocks | "split: source" >> beam.Values(), known
    if method == "leave_last_out":
        return _of_users(blocks, partitions, _last_of_user, splitting, seed), known
    if method == "time":
        return _by_time(blocks, splitting), known
    if method == "random":
        return _random(blocks, ranks, _ALL, splitting, seed, partitions=partitions, cold=None), known
    candidates = _candidates(blocks, featured, partitions=partitions)
    cold = beam.pvalue.AsSingleton(
        rows.pipeline
        | "cold items: once" >> beam.Create([seed])
        | "cold items: draw" >> beam.Map(_cold_items, candidates, items, splitting)
    )
    labelled = blocks | "cold items: label" >> beam.Map(of_parts(lambda _, rows, cold: _with_cold(rows, cold)), cold)
    warm = labelled | "cold items: warm" >> beam.Map(lambda rows: (_WARM, take(rows, rows["split"] == 0)))
    warm_blocks, warm_ranks = ranked(
        warm | "warm: keep rank" >> beam.MapTuple(lambda group, rows: (group, {**rows, "rank": rows["order"]})),
        "warm ranks",
        block_rows=block_rows,
    )
    warm_split = _random(
        warm_blocks, warm_ranks, _WARM, splitting, seed, partitions=partitions, cold=candidates
    ) | "warm: rank" >> beam.Map(_with_kept_rank)
    held_out = labelled | "cold items: held out" >> beam.Map(lambda rows: take(rows, rows["split"] > 0))
    return (held_out, warm_split) | "split: cold and warm" >> beam.Flatten(), known


def counts_of_new(rows: Any, role: str, label: str, *, partitions: int) -> "beam.PCollection[NDArray[np.int64]]":
    """Interactions by split, and those of users, or items, that have none in training.

    Args:
        rows: Interactions with the column ``split``.
        role: "user" or "item".
        label: Name of the transforms.
        partitions: Parts in which all interactions of a user, or item, are together.

    Returns:
        int64 ``[2, splits]``, one element.
    """
    return (
        rows
        | f"{label}: by {role}" >> beam.FlatMap(_splits_by, role, partitions)
        | f"{label}: {role}s together" >> beam.GroupByKey()
        | f"{label}: of {role}s" >> beam.MapTuple(_count_new)
        | f"{label}: sum of {role}s" >> beam.CombineGlobally(_sum)
    )


def _splits_by(rows: Columns, role: str, partitions: int) -> Iterator[tuple[int, Columns]]:
    yield from parts({"id": rows[role] // partitions, "split": rows["split"]}, rows[role] % partitions)


def _count_new(_: int, batches: Iterable[Columns]) -> NDArray[np.int64]:
    rows = end_to_end(batches)
    counts = np.bincount(rows["split"], minlength=len(SPLITS))
    return np.stack([counts, interactions_of_new(rows["id"], rows["split"])])


def _sum(counts: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.sum([np.zeros((2, len(SPLITS)), np.int64), *counts], axis=0)


def _by_time_or_last(
    blocks: Any, splitting: Splitting, seed: int, *, partitions: int
) -> "tuple[beam.PCollection[Columns], beam.PCollection[Any]]":
    """Both splits, of which one is left."""
    by_time = _by_time(blocks, splitting)
    chosen = counts_of_new(by_time, "user", "split: new", partitions=partitions) | "split: choose" >> beam.Map(
        _method_of_times, splitting
    )
    found = {"time": by_time, "leave_last_out": _of_users(blocks, partitions, _last_of_user, splitting, seed)}
    left = [
        rows | f"split: {method} if chosen" >> beam.FlatMap(_if_chosen, method, beam.pvalue.AsSingleton(chosen))
        for method, rows in found.items()
    ]
    return left | "split: chosen" >> beam.Flatten(), chosen


def _method_of_times(counts: NDArray[np.int64], splitting: Splitting) -> tuple[str, str]:
    held_out = [True, splitting.validation > 0, splitting.test > 0]
    return method_of_times(counts[0].tolist(), counts[1].tolist(), held_out=held_out)


def _if_chosen(rows: Columns, method: str, chosen: tuple[str, str]) -> Iterator[Columns]:
    if chosen[0] == method:
        yield rows


def _random(
    blocks: Any, ranks: Any, group: str, splitting: Splitting, seed: int, *, partitions: int, cold: Any
) -> "beam.PCollection[Columns]":
    """Random splits per user; the generator draws cold items, where there are some, then an order, then offsets."""
    candidates = [] if cold is None else [cold]
    placed = with_places(blocks, ranks, "split: order", _draw_order, seed, *candidates, groups=[group])
    largest = collected(
        blocks | "split: users" >> beam.MapTuple(lambda _, rows: int(rows["user"].max(initial=-1))),
        "split: last user",
        _largest,
    )
    offsets = (
        blocks.pipeline
        | "split: once" >> beam.Create([group])
        | "split: offsets" >> beam.FlatMap(_draw_offsets, ranks, largest, seed, partitions, *candidates)
    )
    by_user = placed | "split: by user" >> beam.FlatMap(lambda entry: _by_user(entry[1], partitions))
    return (
        {"rows": by_user, "offsets": offsets}
        | "split: users together" >> beam.CoGroupByKey()
        | "split: random" >> beam.FlatMap(_random_of_users, splitting, partitions)
    )


def _largest(users: list[int]) -> int:
    return max(users, default=-1)


def _generator(seed: int, candidates: NDArray[np.int64] | None) -> np.random.Generator:
    generator = np.random.default_rng(seed)
    if candidates is not None:
        generator.permutation(candidates)  # the cold items, which are drawn before everything else
    return generator


def _draw_order(_: str, count: int, seed: int, candidates: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    return _generator(seed, candidates).permutation(count)


def _draw_offsets(
    group: str, ranks: Ranks, largest: int, seed: int, partitions: int, candidates: NDArray[np.int64] | None = None
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    generator = _generator(seed, candidates)
    generator.permutation(total(ranks.get(group, {})))
    offsets = generator.random(largest + 1)
    for part in range(partitions):
        yield part, offsets[part::partitions].copy()


def _random_of_users(entry: tuple[int, dict[str, Any]], splitting: Splitting, partitions: int) -> Iterator[Columns]:
    _, found = entry
    batches = list(found["rows"])
    if not batches:
        return
    rows, (offsets,) = end_to_end(batches), found["offsets"]
    user = rows["user"] // partitions
    place, count = places_of_users(user, np.argsort(rows.pop("place")))
    yield {**rows, "split": random_labels(place, count, offsets[user], splitting)}


def _by_user(rows: Columns, partitions: int) -> Iterator[tuple[int, Columns]]:
    yield from parts(rows, rows["user"] % partitions)


def _of_users(blocks: Any, partitions: int, label: Any, *arguments: Any) -> "beam.PCollection[Columns]":
    return (
        blocks
        | "split: rows" >> beam.Values()
        | "split: by user" >> beam.FlatMap(_by_user, partitions)
        | "split: users together" >> beam.GroupByKey()
        | "split: of users" >> beam.Map(of_parts(label), partitions, *arguments)
    )


def _last_of_user(_: int, batches: Iterable[Columns], partitions: int, splitting: Splitting, seed: int) -> Columns:
    rows = end_to_end(batches)
    rows = take(rows, np.argsort(rows["order"]))
    order = order_in_time(rows["timestamp"], rows["user"], rows["item"], seed=seed)
    return {**rows, "split": last_labels(*places_of_users(rows["user"] // partitions, order), splitting)}


def _by_time(blocks: Any, splitting: Splitting) -> "beam.PCollection[Columns]":
    """Splits at two moments."""
    counts = (
        blocks
        | "time: count" >> beam.MapTuple(lambda _, rows: np.unique(rows["timestamp"], return_counts=True))
        | "time: counts" >> beam.CombineGlobally(SumCounts())
    )
    moments = beam.pvalue.AsSingleton(
        counts | "time: moments" >> beam.Map(lambda found: first_moments(found[0], found[1], splitting))
    )
    return blocks | "split: time" >> beam.Map(of_parts(_of_time), moments)


def _of_time(_: Any, rows: Columns, moments: list[Any]) -> Columns:
    return {**rows, "split": labels_in_time(rows["timestamp"], moments)}


def _candidates(blocks: Any, featured: Any, *, partitions: int) -> Any:
    """Items that may be cold, ascending: with interactions and, where there are modalities, with features."""
    sides = {"interacted": blocks | "cold items: of rows" >> beam.MapTuple(lambda _, rows: np.unique(rows["item"]))}
    if featured is not None:
        sides["featured"] = featured
    keyed = {
        name: items | f"cold items: {name}" >> beam.FlatMap(lambda ids: parts({"item": ids}, ids % partitions))
        for name, items in sides.items()
    }
    found = keyed | "cold items: together" >> beam.CoGroupByKey() | "cold items: possible" >> beam.MapTuple(_possible)
    return collected(
        found, "cold items", lambda found: np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)
    )


def _possible(_: int, found: dict[str, Iterable[Columns]]) -> NDArray[np.int64]:
    sets = [
        np.unique(np.concatenate([np.empty(0, np.int64), *(b["item"] for b in batches)])) for batches in found.values()
    ]
    return sets[0] if len(sets) == 1 else np.intersect1d(sets[0], sets[1])


def _cold_items(seed: int, candidates: NDArray[np.int64], items: int, splitting: Splitting) -> NDArray[np.int8]:
    return cold_labels(candidates, items, splitting, np.random.default_rng(seed))


def _with_cold(rows: Columns, cold: NDArray[np.int8]) -> Columns:
    return {**rows, "split": cold[rows["item"]]}


def _with_kept_rank(rows: Columns) -> Columns:
    return {name: column for name, column in (rows | {"order": rows["rank"]}).items() if name != "rank"}


def require_training(ranks: Ranks, *, method: str) -> None:
    """Refuses splits without training.

    Raises:
        InvalidInputError: No interaction is left for training.
    """
    if not total(ranks.get(SPLITS[0], {})):
        raise InvalidInputError(
            f'splitting method "{method}" leaves no interactions for training. Change the splitting or the filtering.'
        )
