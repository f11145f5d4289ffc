"""iALS: matrix factorisation for implicit feedback, by alternating least squares."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Borrowed, LendingBaseline
from tf_metammf.errors import InvalidInputError
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.layers.layer_arguments import positive_integer

DEVIATION = 0.1
"""Deviation of the first factors times the root of their width, as published."""

_ROWS_AT_ONCE = 1024
"""Rows whose matrices are solved at once."""


class IALS(LendingBaseline):
    r"""Implicit alternating least squares (Hu et al., ICDM 2008) as revisited by Rendle et al. (RecSys 2022).

    Over the interactions ``S``, users' factors ``w`` and items' factors ``h`` minimise

    ``sum_S (1 - w_u . h_i)^2 + a sum_u sum_i (w_u . h_i)^2 + l2 (sum_u c_u |w_u|^2 + sum_i c_i |h_i|^2)``

    with ``c_u = n_u + a |I|`` and ``c_i = n_i + a |U|``: a penalty that grows with the number of interactions, as that
    paper has it with an exponent of 1. Every half of an epoch solves one side exactly; the users have the last word, so
    that a user is a function of the items that he has, as a newcomer is.

    Where interactions have weights, ``s_ui`` with a mean of 1, these are confidences: ``sum_S s_ui (1 - w_u . h_i)^2``,
    and ``n`` are sums of weights. The users' last solution is without weights, because only the items of a newcomer
    are known, and all users are scored alike.

    Args:
        graph: The training interactions.
        units: Width of the factors. Defaults to 64.
        unobserved_weight: ``a``, the weight of all pairs, above 0. Defaults to 0.1.
    X
        epochs: Defaults to 16.
        seed: Of the first factors. Defaults to 0.
        solve: Whether the factors are computed; without, they are 0 until they are loaded. Defaults to True.
        **options: Name and other arguments of a Keras model.

    Attributes:
        item_factors: ``h``, float32 ``[items, units]``.
        user_factors: ``w``, float32 ``[users, units]``.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    def __init__(
        self,
        graph: InteractionGraph,
        *,
        units: int = 64,
        unobserved_weight: float = 0.1,
        l2: float = 0.03,
        epochs: int = 16,
        seed: int = 0,
        solve: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        positive_integer("IALS", "units", units)
        positive_integer("IALS", "epochs", epochs)
        for argument, value in (("unobserved_weight", unobserved_weight), ("l2", l2)):
            if not value > 0:
                raise InvalidInputError(f"IALS: {argument} is {value}, expected a number above 0.")
        self.unobserved_weight, self.l2 = unobserved_weight, l2
        self.user_factors = self.add_weight("user_factors", (graph.users, units), trainable=False)
        self.item_factors = self.add_weight("item_factors", (graph.items, units), trainable=False)
        self._borrows = np.zeros(graph.items, bool)
        if solve:
            self._alternate(graph, epochs, np.random.default_rng(seed))

    def scores(self, users: tf.Tensor) -> tf.Tensor:
        """Dot products of the factors."""
        return tf.matmul(tf.gather(self.user_factors, users), self.item_factors, transpose_b=True)

    def lend(self, borrowed: Borrowed) -> None:
        """Gives items the weighted sum of the factors of others; without interactions their own are 0."""
        factors = self.item_factors.numpy()
        factors[borrowed.items] = np.einsum("nk,nkd->nd", borrowed.weights, factors[borrowed.lenders])
        self.item_factors.assign(factors)
        self._borrows[borrowed.items] = True

    @property
    def prior(self) -> NDArray[np.float32]:
        """``a sum_i h_i h_i^T``, ``[units, units]``, over the items that were solved, not those that borrow."""
        solved = self.item_factors.numpy()[~self._borrows]
        prior: NDArray[np.float32] = self.unobserved_weight * solved.T @ solved
        return prior

    def _alternate(self, graph: InteractionGraph, epochs: int, random: np.random.Generator) -> None:
        users, items = Rows.of_users(graph), Rows.of_items(graph)
        weights = {"a": self.unobserved_weight, "l2": self.l2}
        shape = tuple(self.item_factors.shape)
        of_items = random.normal(0, DEVIATION / shape[1] ** 0.5, shape).astype(np.float32)
        for _ in range(epochs):
            of_items = least_squares(items, least_squares(users, of_items, **weights), **weights)
        self.item_factors.assign(of_items)
        self.user_factors.assign(least_squares(users.unweighted(), of_items, **weights))


class Rows:
    """The edges of a graph from one side: for every row the columns that it has.

    Args:
        starts: Where the columns of each row begin and end, int64 ``[rows + 1]``.
        columns: int64 ``[edges]``.
        weights: Of the edges, float32 ``[edges]``; None where all are 1.
    """

    def __init__(
        self, starts: NDArray[np.int64], columns: NDArray[np.int64], weights: NDArray[np.float32] | None = None
    ) -> None:
        self.starts, self.columns, self.weights = starts, columns, weights

    def unweighted(self) -> "Rows":
        """The same edges, all with the weight 1."""
        return Rows(self.starts, self.columns)

    @classmethod
    def of_users(cls, graph: InteractionGraph) -> "Rows":
        """Items of each user."""
        return cls(_starts(graph.user_degree), graph.edge_item, graph.edge_weight)

    @classmethod
    def of_items(cls, graph: InteractionGraph) -> "Rows":
        """Users of each item."""
        weights = None if graph.edge_weight is None else graph.edge_weight[graph.by_item]
        return cls(_starts(graph.item_degree), graph.edge_user[graph.by_item], weights)


def least_squares(rows: Rows, factors: NDArray[np.float32], *, a: float, l2: float) -> NDArray[np.float32]:
    """``(a G + sum_j s_j h_j h_j^T + l2 (n + a |H|) I)^{-1} sum_j s_j h_j`` for every row, over its columns ``j``.

    ``s`` are the weights and ``n`` their sum.

    Args:
        rows: What each row has.
        factors: ``h`` of all columns, ``[columns, units]``; ``G`` is the sum of all of their outer products.
        a: Weight of all pairs.
        l2: Of the penalty.

    Returns:
        float32 ``[rows, units]``; 0 for rows without columns.
    """
    count, units = len(rows.starts) - 1, factors.shape[1]
    prior = a * factors.T @ factors
    lengths = np.diff(rows.starts)
    if rows.weights is not None:
        row_of_edge = np.repeat(np.arange(count), lengths)
        totals = np.bincount(row_of_edge, weights=rows.weights, minlength=count).astype(np.float32)
    else:
        totals = lengths
    solved = np.zeros((count, units), np.float32)
    known = np.flatnonzero(lengths)
    for first in range(0, len(known), _ROWS_AT_ONCE):
        block = known[first : first + _ROWS_AT_ONCE]
        matrices = np.empty((len(block), units, units), np.float32)
        sums = np.empty((len(block), units, 1), np.float32)
        for place, row in enumerate(block):
            edges = slice(rows.starts[row], rows.starts[row + 1])
            mine = factors[rows.columns[edges]]
            weighted = mine if rows.weights is None else rows.weights[edges, np.newaxis] * mine
            matrices[place] = mine.T @ weighted
            sums[place, :, 0] = weighted.sum(axis=0)
        diagonal = np.arange(units)
        matrices += prior
        matrices[:, diagonal, diagonal] += l2 * (totals[block] + a * len(factors))[:, np.newaxis]
        solved[block] = np.linalg.solve(matrices, sums)[:, :, 0]
    return solved


def _starts(degrees: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.append(0, np.cumsum(degrees[:, 0])).astype(np.int64)
