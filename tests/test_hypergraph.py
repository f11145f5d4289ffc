"""Hypergraphs, against their definition with dense matrices."""

import numpy as np
import tensorflow as tf

from tf_metammf.graphs.hypergraph import Hypergraph


def test_a_layer_is_the_hypergraph_convolution_and_its_gradient_the_transposed_one():
    incidence = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], float)
    node, hyperedge = np.nonzero(incidence)
    graph = Hypergraph([*node, 0], [*hyperedge, 0], nodes=4, hyperedges=4)  # a repeated pair counts once
    roots = np.array([1 / np.sqrt(2), 1 / np.sqrt(2), 0, 1])
    matrix = roots[:, None] * (incidence / [3, 1, 1, 1]) @ incidence.T * roots
    rows = tf.Variable(np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32))
    weights = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        found = graph.propagate(rows)
        total = tf.reduce_sum(found * weights)
    np.testing.assert_allclose(found, matrix @ rows.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(total, rows), matrix.T @ weights, rtol=1e-5, atol=1e-6)
