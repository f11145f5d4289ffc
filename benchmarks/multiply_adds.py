"""Counts the multiply-adds of a traced function, from the shapes of its products."""

from collections.abc import Iterator
from math import prod

import tensorflow as tf

PRODUCTS = ("MatMul", "BatchMatMulV2", "Einsum", "Conv2D", "DepthwiseConv2dNative")


def multiply_adds(graph: tf.Graph) -> int:
    """Multiply-adds of all matrix products and convolutions of a graph whose shapes are known.

    Raises:
        ValueError: A shape is not known, or a product is in a function that the graph calls.
    """
    total = 0
    for operation in graph.get_operations():
        if operation.type in ("PartitionedCall", "StatefulPartitionedCall", "While", "If"):
            raise ValueError(f"{operation.name} calls a function, whose products are not counted.")
        if operation.type in PRODUCTS:
            total += prod(_extents(operation))
    return total


def _extents(operation: tf.Operation) -> Iterator[int]:
    """Lengths of the loops that the operation takes as nested loops."""
    shapes = [tuple(tensor.shape.as_list()) for tensor in operation.inputs]
    if operation.type == "Einsum":
        terms = operation.get_attr("equation").decode().partition("->")[0].split(",")
        labels = {
            label: size
            for term, shape in zip(terms, shapes, strict=True)
            for label, size in zip(term, shape, strict=True)
        }
        return iter(labels.values())
    result = tuple(operation.outputs[0].shape.as_list())
    if operation.type == "Conv2D":
        return iter((*result, *shapes[1][:3]))
    if operation.type == "DepthwiseConv2dNative":
        return iter((*result, *shapes[1][:2]))
    transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
    return iter((*result, shapes[0][-2 if transposed else -1]))
