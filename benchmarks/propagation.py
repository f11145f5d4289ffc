"""One propagation over the interaction graph, forward and backward: what TensorFlow offers, side by side.

    python -m benchmarks.propagation [--quick]

Two graphs, embeddings 64 wide: one of TikTok's size, and one of 61 thousand nodes and 2 million directed edges.
All ways compute the sums over the neighbours of all users and of all items, and the gradient with respect to
the embeddings, in turn in one process. "ours" is what the encoders do: two products with compressed rows that are
made in every step. "compressed rows, kept" is the same with matrices made once, which no SavedModel and no edge
dropout allows. Then ours over four numbers of edges, with the exponent of its growth.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from benchmarks.measurement import growth_exponent, in_turn
from benchmarks.report import print_table, spread, write_report
from tf_metammf.graphs.interaction_graph import Adjacency, InteractionGraph

WIDTH = 64
SEED = 0
GRAPHS = {
    "TikTok": {"users": 9_308, "items": 6_710, "edges": 59_541},
    "2 million directed edges": {"users": 55_485, "items": 5_986, "edges": 980_000},
}
QUICK = {"quick": {"users": 2_000, "items": 1_000, "edges": 20_000}}
GROWTH = (250_000, 500_000, 1_000_000, 2_000_000)

Step = Callable[..., Any]


def main() -> None:
    """Measures, prints the tables and writes ``results/propagation.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="One small graph; writes nothing.")
    parser.add_argument("--repeats", type=int, default=11)
    arguments = parser.parse_args()
    results = {
        name: compare(random_graph(**size), repeats=arguments.repeats)
        for name, size in (QUICK if arguments.quick else GRAPHS).items()
    }
    for name, ways in results.items():
        print_table(
            f"{name}, forward and backward, ms",
            ["way", "median", "minimum", "maximum", "to the best"],
            [
                [way, *(1e3 * result["seconds"][key] for key in ("median", "minimum", "maximum")), result["ratio"]]
                for way, result in ways.items()
            ],
        )
    if arguments.quick:
        return
    growth = {edges: edge_seconds(edges, repeats=arguments.repeats) for edges in GROWTH}
    exponent = growth_exponent(list(growth), [value["median"] for value in growth.values()])
    rows = [[f"{edges:,}", *(1e3 * value[key] for key in value)] for edges, value in growth.items()]
    print_table(f"ours by edges, ms; time grows with edges ** {exponent:.2f}", ["edges", *spread([0.0])], rows)
    settings = {"width": WIDTH, "seed": SEED, "repeats": arguments.repeats, "graphs": GRAPHS}
    write_report(
        "propagation", {"settings": settings, "graphs": results, "growth": {"edges": growth, "exponent": exponent}}
    )


def random_graph(*, users: int, items: int, edges: int) -> InteractionGraph:
    """A graph of exactly so many edges whose items are popular by a power law."""
    random = np.random.default_rng(SEED)
    share = 1 / np.arange(1, items + 1) ** 0.7
    keys = np.zeros(0, np.int64)
    while len(keys) < edges:
        drawn = random.integers(0, users, edges) * items + random.choice(items, edges, p=share / share.sum())
        keys = np.unique(np.concatenate([keys, drawn]))
    user, item = np.divmod(random.permutation(keys)[:edges], items)
    return InteractionGraph(user, item, users=users, items=items)


def compare(graph: InteractionGraph, *, repeats: int) -> dict[str, Any]:
    """Seconds of every way, with the ratio of medians to the fastest."""
    rows = random_rows(graph)
    steps = {name: _forward_and_backward(way) for name, way in ways(graph).items()}
    expected = steps["ours"](*rows)
    for name, step in steps.items():
        for found, wanted in zip(step(*rows), expected, strict=True):
            if not np.allclose(found, wanted, rtol=1e-3, atol=1e-2):
                raise AssertionError(f"{name} computes something else")
    sides = {name: partial(_finished, step, *rows) for name, step in steps.items()}
    spreads = {name: spread(values) for name, values in in_turn(sides, repeats=repeats).items()}
    best = min(value["median"] for value in spreads.values())
    return {name: {"seconds": value, "ratio": value["median"] / best} for name, value in spreads.items()}


def ways(graph: InteractionGraph) -> dict[str, Step]:
    """Sums over neighbours of users and of items, from the rows of users and of items."""
    users, nodes = graph.users, graph.users + graph.items
    source = np.concatenate([graph.edge_user, graph.edge_item + users])
    target = np.concatenate([graph.edge_item + users, graph.edge_user])
    order = np.lexsort((target, source))
    source, target = source[order], target[order]
    indices = tf.constant(np.stack([source, target], axis=1))
    weights, shape = tf.ones([len(source)]), tf.constant([nodes, nodes], tf.int64)
    sparse = tf.SparseTensor(indices, weights, shape)
    segments, neighbours = tf.constant(source, tf.int32), tf.constant(target, tf.int32)
    place = np.arange(len(source)) - np.searchsorted(source, source)
    lists = tf.SparseTensor(np.stack([source, place], axis=1), neighbours, [nodes, int(place.max()) + 1])
    adjacency = Adjacency(graph)

    def ours(of_users: Any, of_items: Any) -> Any:
        products = adjacency.products()
        return products.to_users(of_items), products.to_items(of_users)

    def square(way: Callable[[Any], Any]) -> Step:
        return lambda of_users, of_items: tf.split(
            way(tf.concat([of_users, of_items], axis=0)), [users, nodes - users], axis=0
        )

    squares = {
        "compressed rows, one square matrix": lambda rows: _compressed(indices, weights, shape, rows),
        "compressed rows, kept": _kept(sparse),
        "sparse segment sum": lambda rows: tf.sparse.segment_sum(rows, neighbours, segments, num_segments=nodes),
        "embedding_lookup_sparse": lambda rows: _padded(
            tf.nn.embedding_lookup_sparse(rows, lists, None, combiner="sum"), nodes
        ),
        "segment sum of gathered rows": lambda rows: _padded(
            tf.math.segment_sum(tf.gather(rows, neighbours), segments), nodes
        ),
        "unsorted segment sum": lambda rows: tf.math.unsorted_segment_sum(tf.gather(rows, neighbours), segments, nodes),
        "sparse_dense_matmul": lambda rows: tf.sparse.sparse_dense_matmul(sparse, rows),
    }
    return {"ours": ours, **{name: square(way) for name, way in squares.items()}}


def edge_seconds(edges: int, *, repeats: int) -> dict[str, float]:
    """Seconds of ours on a graph of so many edges."""
    graph = random_graph(users=55_485, items=100_000, edges=edges)
    rows = random_rows(graph)
    step = _forward_and_backward(ways(graph)["ours"])
    return spread(in_turn({"ours": partial(_finished, step, *rows)}, repeats=repeats)["ours"])


def random_rows(graph: InteractionGraph) -> list[Any]:
    """Rows of users and of items, and gradients of the sums of users and of items."""
    random = np.random.default_rng(SEED)
    return [tf.constant(random.normal(size=(n, WIDTH)), tf.float32) for n in 2 * (graph.users, graph.items)]


def _padded(sums: Any, nodes: int) -> Any:
    """With the rows of the last nodes, which are not there if they have no edges."""
    return tf.pad(sums, [[0, nodes - tf.shape(sums)[0]], [0, 0]])


def _kept(sparse: tf.SparseTensor) -> Step:
    from tensorflow.python.ops.linalg.sparse.sparse_csr_matrix_ops import CSRSparseMatrix

    # The matrix is symmetric, so it is its own transpose.
    matrix = CSRSparseMatrix(sparse)._matrix

    @tf.custom_gradient
    def product(rows: Any) -> Any:
        return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=rows), lambda gradient: tf.raw_ops.SparseMatrixMatMul(
            a=matrix, b=gradient
        )

    return product


def _compressed(indices: Any, weights: Any, shape: Any, rows: Any) -> Any:
    matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=indices, values=weights, dense_shape=shape)

    @tf.custom_gradient
    def product(dense: Any) -> Any:
        return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=dense), lambda gradient: tf.raw_ops.SparseMatrixMatMul(
            a=matrix, b=gradient
        )

    return product(rows)


def _forward_and_backward(way: Step) -> Step:
    @tf.function(autograph=False)
    def step(of_users: Any, of_items: Any, *gradients: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([of_users, of_items])
            sums = way(of_users, of_items)
        found = tape.gradient(sums, [of_users, of_items], output_gradients=list(gradients))
        return *sums, *(tf.convert_to_tensor(gradient) for gradient in found)

    return step


def _finished(step: Step, *rows: Any) -> None:
    tf.nest.map_structure(lambda tensor: tensor.numpy(), step(*rows))


if __name__ == "__main__":
    main()
