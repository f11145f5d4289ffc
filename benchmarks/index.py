"""The partitioned index against the exact one and faiss, one query at a time, recall@20 at least 0.95.

    python -m benchmarks.index [--quick]

Needs faiss: `pip install -e '.[benchmark]'`. One million items, 64 wide, clustered and isotropic
(`benchmarks/embeddings.py`). Ours chooses its probes on one half of the queries, as an export does, and is measured on
the other half; faiss gets as many lists as ours has parts, and the fewest probes that reach the recall which ours is
measured to have. All run in one process on as many threads as there are cores: those that read all vectors in turn,
and then the others in turn. Seconds are of one query with K = 20. Ours go through a concrete function, which is called
as fast as a session; "no search" is the time of such a call that only returns the query.
"""

import argparse
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.embeddings import WIDTH, clustered, isotropic
from benchmarks.report import print_table, spread, write_report
from tf_metammf.export.index import ExactIndex
from tf_metammf.export.index_recall import QuerySample, choose_probes, recall_of
from tf_metammf.export.partitioned_index import PartitionedIndex, PartitionedItems
from tf_metammf.ranking.partition import make_partition

ITEMS = 1_000_000
QUERIES = 1000
K = 20
RECALL = 0.95
READ_EVERYTHING = ("exact", "faiss IndexFlatIP")
WHOLE_REPEATS = 60
"""Repeats at most of the indices that read all vectors, which take a hundred times as long."""
NONE_EXCLUDED = tf.zeros([0, 2], tf.int64)

Search = Callable[[NDArray[np.float32]], Any]


def main() -> None:
    """Measures both kinds of data, prints the table and writes ``results/index.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="50,000 items; writes nothing.")
    parser.add_argument("--repeats", type=int, default=300)
    arguments = parser.parse_args()
    if find_spec("faiss") is None:  # said before the data are made, which takes long
        parser.error("faiss is not installed, which this benchmark compares with: pip install -e '.[benchmark]'")
    items = 50_000 if arguments.quick else ITEMS
    results = {
        make.__name__: compare(*make(items, QUERIES), repeats=arguments.repeats) for make in (clustered, isotropic)
    }
    for data, indices in results.items():
        exact = indices["exact"]["seconds"]["median"]
        rows = [
            [
                name,
                *(1e3 * found["seconds"][key] for key in ("median", "minimum", "maximum")),
                exact / found["seconds"]["median"],
                found["recall"],
                found.get("probes", ""),
                found.get("looked_at", ""),
                found["build_seconds"],
            ]
            for name, found in indices.items()
        ]
        columns = [
            "index",
            "median ms",
            "min",
            "max",
            "times exact",
            "recall@20",
            "probes",
            "share looked at",
            "build s",
        ]
        print_table(f"{items:,} items, {data}, one query", columns, rows)
    if not arguments.quick:
        settings = {"items": ITEMS, "width": WIDTH, "k": K, "recall": RECALL, "repeats": arguments.repeats}
        write_report("index", {"settings": settings, "data": results})


def compare(vectors: NDArray[np.float32], queries: NDArray[np.float32], *, repeats: int) -> dict[str, Any]:
    """Seconds of one query, recall and seconds to build, by index."""
    sample = QuerySample(queries, np.zeros((0, 2), np.int64))
    half = len(queries) // 2
    to_choose, to_measure = sample.take(0, half), sample.take(half, len(queries))
    exact = ExactIndex(tf.Variable(vectors))
    started = time.perf_counter()
    partition = make_partition(vectors)
    order = PartitionedItems(partition)
    ours = PartitionedIndex(
        ExactIndex(tf.Variable(vectors[partition.order])), order=order, centres=tf.Variable(partition.centres)
    )
    built = time.perf_counter() - started
    ours.probes = choose_probes(ours, to_choose, K, recall=RECALL)
    truth = _truth(exact, queries)
    found: dict[str, dict[str, Any]] = {
        "exact": {"recall": 1.0, "build_seconds": 0.0},
        "partitioned": {
            "recall": recall_of(ours, to_measure, K),
            "build_seconds": built,
            "probes": ours.probes,
            "looked_at": ours.probed_share(tf.constant(to_measure.queries)),
        },
    }
    searches: dict[str, Search] = {
        "exact": _traced(exact.search),
        "partitioned": _traced(ours.search),
        "no search": _traced(lambda query, *_, **__: (query, query)),
    }
    found["no search"] = {"recall": 0.0, "build_seconds": 0.0}
    recall = float(found["partitioned"]["recall"])
    for name, search, details in _faiss(vectors, queries, truth, parts=partition.parts, least=recall):
        searches[name], found[name] = search, details
    whole = {name: search for name, search in searches.items() if name in READ_EVERYTHING}
    parts = {name: search for name, search in searches.items() if name not in READ_EVERYTHING}
    seconds = {
        name: times
        # Apart, since what reads all vectors leaves nothing of the others in the caches of the processor.
        for side in (whole, parts)
        for name, times in _in_turn(
            side, to_measure.queries, repeats=repeats if side is parts else min(repeats, WHOLE_REPEATS)
        ).items()
    }
    return {name: {"seconds": spread(seconds[name]), **details} for name, details in found.items()}


def _in_turn(searches: dict[str, Search], queries: NDArray[np.float32], *, repeats: int) -> dict[str, list[float]]:
    """Seconds of single queries, one search after the other; the first ten warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for repeat in range(repeats + 10):
        query = queries[repeat % len(queries)][np.newaxis]
        for name, search in searches.items():
            started = time.perf_counter()
            search(query)
            taken = time.perf_counter() - started
            if repeat >= 10:
                seconds[name].append(taken)
    return seconds


def _traced(search: Callable[..., Any]) -> Search:
    traced = tf.function(
        lambda query: search(query, K, excluded=NONE_EXCLUDED),
        input_signature=[tf.TensorSpec([None, WIDTH], tf.float32)],
        autograph=False,
    ).get_concrete_function()
    return lambda query: traced(tf.constant(query))[1].numpy()


def _truth(exact: ExactIndex, queries: NDArray[np.float32]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = exact.search(tf.constant(queries), K, excluded=NONE_EXCLUDED)[1].numpy()
    return found


def _faiss(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    truth: NDArray[np.int64],
    *,
    parts: int,
    least: float,
) -> list[tuple[str, Search, dict[str, Any]]]:
    import faiss

    faiss.omp_set_num_threads(os.cpu_count())
    half = len(queries) // 2
    started = time.perf_counter()
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(vectors)
    flat_built = time.perf_counter() - started
    started = time.perf_counter()
    lists = faiss.IndexIVFFlat(faiss.IndexFlatIP(WIDTH), WIDTH, parts, faiss.METRIC_INNER_PRODUCT)
    lists.train(vectors)
    lists.add(vectors)
    built = time.perf_counter() - started
    lists.nprobe = 1
    low, high = 1, parts
    while low < high:
        lists.nprobe = (low + high) // 2
        if _recall(lists.search(queries[half:], K)[1], truth[half:]) >= least:
            high = lists.nprobe
        else:
            low = lists.nprobe + 1
    lists.nprobe = low
    recall = _recall(lists.search(queries[half:], K)[1], truth[half:])
    return [
        (
            "faiss IndexFlatIP",
            lambda query: flat.search(query, K),
            {"recall": _recall(flat.search(queries[half:], K)[1], truth[half:]), "build_seconds": flat_built},
        ),
        (
            "faiss IVFFlat",
            lambda query: lists.search(query, K),
            {"recall": recall, "build_seconds": built, "probes": int(lists.nprobe)},
        ),
    ]


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(row, true)) for row, true in zip(found, truth, strict=True)])) / K


if __name__ == "__main__":
    main()
