"""Sampled neighbourhoods: the part of the interaction graph that a batch needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import Interactions

Neighbourhood = dict[str, tf.Tensor | tuple[tf.Tensor, ...]]


class NeighbourSampler:
    """Draws the neighbours over which a graph encoder propagates (Hamilton et al., NeurIPS 2017, section 3.1).

    From the nodes of a batch it goes back through the layers: the nodes of layer ``l - 1`` are those of layer
    ``l`` and the neighbours drawn for them. A node with at most ``fan_out`` neighbours gets all of them, once;
    one with more gets ``fan_out`` independent draws.

    Args:
        train: Training interactions; may contain the same pair several times.
        users: Number of users.
        items: Number of items.
        fan_outs: Neighbours of a node in each layer, from the towers to the score, each at least 1.
        seed: Seed of :meth:`batch_seed`.

    Raises:
        InvalidInputError: An argument is out of range.
    """

    def __init__(self, train: Interactions, *, users: int, items: int, fan_outs: Sequence[int], seed: int = 0) -> None:
        if not fan_outs or any(fan_out < 1 for fan_out in fan_outs):
            raise InvalidInputError(
                f"fan_outs is {list(fan_outs)}, expected numbers of at least 1, one for each layer."
            )
        keys = np.unique(train.user * items + train.item)
        user, item = np.divmod(keys, max(items, 1))
        by_item = np.argsort(item, kind="stable")
        self.fan_outs = tuple(fan_outs)
        self.seed = seed
        self._items_of_users = _NeighbourLists.of(user, item, nodes=users)
        self._users_of_items = _NeighbourLists.of(item[by_item], user[by_item], nodes=items)

    def sample(self, users: tf.Tensor, items: tf.Tensor, seed: tf.Tensor) -> Neighbourhood:
        """Draws a neighbourhood; a pure function of its arguments, usable inside ``tf.data``.

        Args:
            users: Dense user ids, int64 ``[B]``.
            items: Dense item ids, int64 ``[C]``.
            seed: Two integers, ``[2]``; see :meth:`batch_seed`.

        Returns:
            ``user`` and ``item``: the distinct nodes of layer 0, int64; those of every further layer come
            first among them. ``user_position``: where each of ``users`` stands in ``user``, int32 ``[B]``; ``item``
            begins with the distinct ``items`` in the order of ``tf.unique``. ``items_of_users`` and
            ``users_of_items``: for every layer, int32 ``[nodes of that layer, fan_out]``, the positions of the drawn
            neighbours among the nodes of the layer before, -1 where there are fewer.
        """
        user_nodes, user_position = tf.unique(users)
        item_nodes = tf.unique(items).y
        seeds = tf.random.experimental.stateless_split(seed, 2 * len(self.fan_outs))
        items_of_users, users_of_items = [], []
        for layer in reversed(range(len(self.fan_outs))):
            drawn_items = self._items_of_users.draw(user_nodes, self.fan_outs[layer], seeds[2 * layer])
            drawn_users = self._users_of_items.draw(item_nodes, self.fan_outs[layer], seeds[2 * layer + 1])
            item_nodes, item_positions = _joined(item_nodes, drawn_items)
            user_nodes, user_positions = _joined(user_nodes, drawn_users)
            items_of_users.append(item_positions)
            users_of_items.append(user_positions)
        return {
            "user": user_nodes,
            "item": item_nodes,
            "user_position": user_position,
            "items_of_users": tuple(reversed(items_of_users)),
            "users_of_items": tuple(reversed(users_of_items)),
        }

    def batch_seed(self, epoch: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """The seed ``[2]`` of one batch of one epoch, none of those of :class:`NegativeSampler`."""
        numbers = tf.random.experimental.stateless_fold_in(tf.stack([self.seed, epoch]), batch)
        return tf.random.experimental.stateless_fold_in(numbers, 1)


@dataclass(frozen=True)
class _NeighbourLists:
    """The neighbours of every node, one list behind the other; -1 at the end, so that it is never empty."""

    starts: tf.Tensor
    neighbours: tf.Tensor

    @classmethod
    def of(cls, node: NDArray[np.int64], neighbour: NDArray[np.int64], *, nodes: int) -> "_NeighbourLists":
        starts = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=nodes))])
        return cls(tf.constant(starts, tf.int64), tf.constant(np.append(neighbour, -1), tf.int64))

    def draw(self, nodes: tf.Tensor, fan_out: int, seed: tf.Tensor) -> tf.Tensor:
        """Neighbours, int64 ``[n, fan_out]``, of nodes ``[n]``; -1 where there are fewer."""
        start = tf.gather(self.starts, nodes)[:, tf.newaxis]
        degree = tf.gather(self.starts, nodes + 1)[:, tf.newaxis] - start
        each = tf.range(fan_out, dtype=tf.int64)[tf.newaxis]
        shape = tf.stack([tf.shape(nodes)[0], fan_out])
        numbers = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.int64, alg="philox")
        place = tf.where(degree > fan_out, tf.math.floormod(numbers, tf.maximum(degree, 1)), each)
        is_drawn = each < degree
        return tf.where(is_drawn, tf.gather(self.neighbours, tf.where(is_drawn, start + place, 0)), -1)


def _joined(nodes: tf.Tensor, drawn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The nodes, then what else was drawn, each once; and the positions of the drawn ones, int32, -1 kept."""
    is_drawn = drawn >= 0
    distinct, position = tf.unique(tf.concat([nodes, tf.boolean_mask(drawn, is_drawn)], axis=0))
    positions = tf.tensor_scatter_nd_update(
        tf.fill(tf.shape(drawn), -1), tf.where(is_drawn), position[tf.shape(nodes)[0] :]
    )
    return distinct, tf.ensure_shape(positions, drawn.shape)
