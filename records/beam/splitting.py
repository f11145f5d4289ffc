"""Splits of interactions, the same as those of :func:`tf_metammf.records.splitting.split_interactions`."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.beam.columns import Columns, collected, end_to_end, of_parts, parts, starts, take, total
from tf_metammf.records.beam.filtering import SumCounts
from tf_metammf.records.beam.row_order import Ranks, ranked, with_places
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.split_methods import (
    cold_labels,
    first_held_out,
    last_labels,
    places_of_users,
    random_labels,
)
from tf_metammf.records.splitting import SOURCE_METHOD, Splitting

_ALL, _WARM = "all", "warm"


def split(
    rows: "beam.PCollection[Columns]",
    splitting: Splitting,
    *,
    method: str,
    seed: int,
    items: Any,
    featured: "beam.PCollection[NDArray[np.int64]] | None",
    partitions: int,
    block_rows: int,
) -> "beam.PCollection[Columns]":
    """Adds the column ``split``, the position in ``SPLITS``, and makes ``order`` the rank among all interactions.

    Args:
        rows: Filtered interactions, with their final ids.
        splitting: The shares.
        method: The method; there are timestamps, or splits of the source, if it needs them.
        seed: Seed of everything random.
        items: Number of items, as a side input.
        featured: Items that have a modality, in batches; None where there are no modalities.
        partitions: Parts in which all interactions of a user are together.
        block_rows: See :func:`tf_metammf.records.beam.row_order.ranked`.
    """
    blocks, ranks = ranked(rows | "ranks: all" >> beam.Map(lambda rows: (_ALL, rows)), "ranks", block_rows=block_rows)
    if method == SOURCE_METHOD:
        return blocks | "split: source" >> beam.Values()
    if method == "leave_last_out":
        return _of_users(blocks | "split: rows" >> beam.Values(), partitions, _last_of_user, splitting)
    if method == "time":
        return _by_time(blocks, ranks, splitting)
    if method == "random":
        return _random(blocks, ranks, _ALL, splitting, seed, partitions=partitions, cold=None)
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
    return (held_out, warm_split) | "split: cold and warm" >> beam.Flatten()


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


def _of_users(rows: Any, partitions: int, label: Any, *arguments: Any) -> "beam.PCollection[Columns]":
    return (
        rows
        | "split: by user" >> beam.FlatMap(_by_user, partitions)
        | "split: users together" >> beam.GroupByKey()
        | "split: of users" >> beam.Map(of_parts(label), partitions, *arguments)
    )


def _last_of_user(_: int, batches: Iterable[Columns], partitions: int, splitting: Splitting) -> Columns:
    rows = end_to_end(batches)
    rows = take(rows, np.argsort(rows["order"]))
    order = np.argsort(rows["timestamp"], kind="stable")
    return {**rows, "split": last_labels(*places_of_users(rows["user"] // partitions, order), splitting)}


def _by_time(blocks: Any, ranks: Any, splitting: Splitting) -> "beam.PCollection[Columns]":
    """Splits at two places in time: at a timestamp each, and a rank among the interactions of that very timestamp."""
    counts = (
        blocks
        | "time: count" >> beam.MapTuple(lambda _, rows: np.unique(rows["timestamp"], return_counts=True))
        | "time: counts" >> beam.CombineGlobally(SumCounts())
    )
    cuts = beam.pvalue.AsSingleton(counts | "time: cuts" >> beam.Map(_cuts, splitting))
    ties = [
        collected(blocks | f"time: ties of {name}" >> beam.Map(of_parts(_ties), cuts, cut), f"time: {name}", starts)
        for cut, name in ((0, "validation"), (1, "test"))
    ]
    return blocks | "split: time" >> beam.Map(of_parts(_of_time), cuts, *ties)


def _cuts(counts: tuple[NDArray[np.int64], NDArray[np.int64]], splitting: Splitting) -> list[tuple[int, int] | None]:
    """Of validation and test: the timestamp they begin at, and how many of it come before; None for an empty one."""
    times, degrees = counts
    after = np.cumsum(degrees)
    cuts: list[tuple[int, int] | None] = []
    for place in first_held_out(int(after[-1]), splitting):
        at = int(np.searchsorted(after, place, side="right"))
        cuts.append(None if at == len(times) else (int(times[at]), int(place - (after[at] - degrees[at]))))
    return cuts


def _ties(key: tuple[str, int], rows: Columns, cuts: list[tuple[int, int] | None], cut: int) -> tuple[Any, int]:
    chosen = cuts[cut]
    return key, 0 if chosen is None else int((rows["timestamp"] == chosen[0]).sum())


def _of_time(key: Any, rows: Columns, cuts: list[tuple[int, int] | None], *ties: Ranks) -> Columns:
    group, block = key
    split_of = np.zeros(len(rows["order"]), np.int8)
    for label, (cut, of_cut) in enumerate(zip(cuts, ties, strict=True), start=1):
        if cut is not None:
            tied = rows["timestamp"] == cut[0]
            place = of_cut[group][block][0] + np.cumsum(tied) - 1
            split_of[(rows["timestamp"] > cut[0]) | (tied & (place >= cut[1]))] = label
    return {**rows, "split": split_of}


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
