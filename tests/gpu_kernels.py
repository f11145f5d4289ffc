"""Which operations of a graph have a kernel for GPUs, as TensorFlow's own registry says, with or without a GPU."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from tensorflow.core.framework import graph_pb2, kernel_def_pb2, node_def_pb2
from tensorflow.python.framework import kernels

GPU_DEVICES = ("GPU", "DEFAULT")
"""A kernel for the default device runs on any; it only handles shapes and handles, which are on the host."""


def operations_without_gpu_kernel(graph: graph_pb2.GraphDef) -> set[str]:
    """Operations of a graph and of every function that it calls, "NAME(types)", without a kernel for GPUs."""
    return {_described(node) for node in _nodes(graph) if not _has_gpu_kernel(node)}


def _nodes(graph: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    functions = {function.signature.name: function for function in graph.library.function}
    waiting, seen = list(graph.node), set()
    while waiting:
        node = waiting.pop()
        yield node
        for name in _called(node):
            if name in functions and name not in seen:
                seen.add(name)
                waiting += functions[name].node_def


def _called(node: node_def_pb2.NodeDef) -> set[str]:
    """Functions that a node calls; its own operation may be one."""
    functions = [attribute.func.name for attribute in node.attr.values()]
    functions += [function.name for attribute in node.attr.values() for function in attribute.list.func]
    return {node.op, *functions}


def _has_gpu_kernel(node: node_def_pb2.NodeDef) -> bool:
    registered = _kernels(node.op)
    if not registered and not kernels.get_registered_kernels_for_op(node.op).kernel:
        return True  # a call of a function by its name, or an argument of one
    return any(_fits(kernel, node) for kernel in registered)


@cache
def _kernels(operation: str) -> tuple[kernel_def_pb2.KernelDef, ...]:
    registered = kernels.get_registered_kernels_for_op(operation).kernel
    return tuple(kernel for kernel in registered if kernel.device_type in GPU_DEVICES)


def _fits(kernel: kernel_def_pb2.KernelDef, node: node_def_pb2.NodeDef) -> bool:
    return all(
        set(_types(node.attr[constraint.name])) <= set(constraint.allowed_values.list.type)
        for constraint in kernel.constraint
    )


def _types(attribute: Any) -> list[int]:
    return [attribute.type] if attribute.type else list(attribute.list.type)


def _described(node: node_def_pb2.NodeDef) -> str:
    from tensorflow import as_dtype

    types = [as_dtype(each).name for name in sorted(node.attr) for each in _types(node.attr[name])]
    return f"{node.op}({', '.join(types)})"
