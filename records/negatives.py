"""Negatives: items that a user has no training interaction with, drawn without rejection."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import Interactions

_LARGEST_KEY = 2**60
_LARGEST_TOTAL_WEIGHT = 2**48


class NegativeSampler:
    """Draws items that a user has no training interaction with.

    Item ``i`` is drawn for user ``u`` with probability ``w_i / sum of w_k over all k that u has no training
    interaction with``, where ``w_i = (training interactions of i) ** popularity_power``. Power 0
    gives every item the same weight, items that never occur in training included; with any
    other power those have weight 0 and are never drawn.

    Draws are exact and independent (with replacement), and need no rejection. What is behind
    them takes about 125 bytes for each training interaction, 75 where they follow popularity.

    Args:
        train: Training interactions; may contain the same pair several times.
        users: Number of users.
        items: Number of items.
        per_positive: Negatives for each interaction, at least 1.
        popularity_power: 0 draws uniformly, 1 in proportion to the number of training
            interactions, 0.75 between the two. At least 0.
        seed: Seed of :meth:`batch_seed`.
        user_ids: Raw id by dense id, for messages. Defaults to None: messages name dense ids.

    Raises:
        InvalidInputError: An argument is out of range, or a user has no item left to draw.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        users: int,
        items: int,
        per_positive: int = 1,
        popularity_power: float = 0.0,
        seed: int = 0,
        user_ids: Sequence[str] | None = None,
    ) -> None:
        if per_positive < 1:
            raise InvalidInputError(f"per_positive is {per_positive}, expected at least 1.")
        if not 0 <= popularity_power < np.inf:
            raise InvalidInputError(f"popularity_power is {popularity_power}, expected a finite number of at least 0.")
        self.per_positive = per_positive
        self.seed = seed
        seen = SeenItems.of(train, users=users, items=items)
        if popularity_power == 0:
            self._unseen: UniformUnseenItems | WeightedUnseenItems = UniformUnseenItems(seen, user_ids)
        else:
            weights = _popularity_weights(train, seen, popularity_power)
            self._unseen = WeightedUnseenItems(seen, weights, user_ids)

    def sample(self, users: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws negatives; a pure function of its arguments, usable inside ``tf.data``.

        Args:
            users: Dense user ids, int64 ``[B]``.
            seed: Two integers, ``[2]``; see :meth:`batch_seed`.

        Returns:
            Dense item ids, int64 ``[B, per_positive]``.
        """
        shape = tf.stack([tf.shape(users)[0], self.per_positive])
        numbers = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.int64, alg="philox")
        return tf.ensure_shape(self._unseen.draw(users, numbers), [users.shape[0], self.per_positive])

    def batch_seed(self, epoch: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """The seed ``[2]`` of one batch of one epoch: another one for every pair of numbers (int64, scalars)."""
        return tf.random.experimental.stateless_fold_in(tf.stack([self.seed, epoch]), batch)


@dataclass(frozen=True)
class SeenItems:
    """Distinct pairs of user and training item, by user and then by item."""

    users: int
    items: int
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    row_starts: NDArray[np.int64]
    """Where the pairs of each user start, ``[users + 1]``."""

    @classmethod
    def of(cls, train: Interactions, *, users: int, items: int) -> "SeenItems":
        """The pairs of the training interactions.

        Raises:
            InvalidInputError: An id is out of range, or there are too many users times items for 64-bit keys.
        """
        if users * (items + 1) >= _LARGEST_KEY:
            raise InvalidInputError(
                f"{users} users times {items} items exceeds the limit of a sampler (2**60). "
                "Split the users, or train without sampled negatives."
            )
        for kind, ids, count in (("user", train.user, users), ("item", train.item, items)):
            if len(ids) and not 0 <= ids.min() <= ids.max() < count:
                raise InvalidInputError(
                    f"training interactions have {kind} ids from {ids.min()} to {ids.max()}, "
                    f"expected 0 to {count - 1}. Give the sampler interactions and number of {kind}s of the same "
                    f"record set."
                )
        keys = np.sort(train.user * items + train.item)
        user, item = np.divmod(keys[np.diff(keys, prepend=-1) > 0], items)
        row_starts = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))])
        return cls(users, items, user, item, row_starts)


class UniformUnseenItems:
    """Maps numbers to unseen items, each item of a user equally often.

    A user who has seen ``n`` of ``N`` items has ``N - n`` to draw. A number below ``N - n`` is itself the
    item, unless the user has seen it; then a table gives its stand-in: there are exactly as
    many seen items below ``N - n`` as unseen ones from there on, so they are paired in order.
    """

    def __init__(self, seen: SeenItems, user_ids: Sequence[str] | None = None) -> None:
        allowed = seen.items - np.diff(seen.row_starts)
        _require_something_allowed(allowed, user_ids)
        # One place from N - n on for every seen item of the user; those not seen themselves are stand-ins.
        first_place = allowed[seen.user]
        place = first_place + np.arange(len(seen.user)) - seen.row_starts[seen.user]
        needs_stand_in = seen.item < first_place
        is_stand_in = np.ones(len(place), bool)
        position_of_item = seen.row_starts[seen.user] + seen.item - first_place
        is_stand_in[position_of_item[~needs_stand_in]] = False

        # TensorFlow refuses an empty table, hence the first entry, which no key finds.
        keys = np.concatenate([[-1], (seen.user * seen.items + seen.item)[needs_stand_in]])
        stand_ins = np.concatenate([[-1], place[is_stand_in]])

        self._items = seen.items
        self._allowed = tf.constant(allowed)
        self._stand_ins = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(stand_ins)), default_value=-1
        )

    def draw(self, users: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        """Unseen items, int64 ``[B, n]``, for users ``[B]`` and any int64 numbers ``[B, n]``."""
        items = tf.math.floormod(numbers, tf.gather(self._allowed, users)[:, tf.newaxis])
        stand_ins = self._stand_ins.lookup(users[:, tf.newaxis] * self._items + items)
        return tf.where(stand_ins < 0, items, stand_ins)


class WeightedUnseenItems:
    """Maps numbers to unseen items, each as often as its integer weight says.

    This is the inverse of the cumulative distribution over the unseen items. On the line ``[0, W)`` every
    item is a stretch as long as its weight. The seen items ``i_0 < i_1 < ...`` of a user cut it;
    ``v_j`` is the unseen length left of ``i_j``. A point ``r`` of the unseen length lies right of ``i_j`` where
    ``v_j <= r``, and adding the lengths of those ``i_j`` gives its place on the whole line. One
    binary search finds them for all users, because the keys ``u (W + 1) + v_j`` ascend over
    users and their items alike.
    """

    def __init__(self, seen: SeenItems, weights: NDArray[np.int64], user_ids: Sequence[str] | None = None) -> None:
        line = np.cumsum(weights)
        seen_length = np.concatenate([[0], np.cumsum(weights[seen.item])])
        length_before_user = seen_length[seen.row_starts]
        allowed = line[-1] - np.diff(length_before_user)
        _require_something_allowed(allowed, user_ids)
        seen_before_item = seen_length[:-1] - length_before_user[seen.user]
        unseen_before_item = line[seen.item] - weights[seen.item] - seen_before_item

        self._stride = int(line[-1]) + 1
        self._line = tf.constant(line)
        self._allowed = tf.constant(allowed)
        self._keys = tf.constant(seen.user * self._stride + unseen_before_item)
        self._seen_length = tf.constant(seen_length)
        self._length_before_user = tf.constant(length_before_user[:-1])

    def draw(self, users: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        """Unseen items, int64 ``[B, n]``, for users ``[B]`` and any int64 numbers ``[B, n]``."""
        points = tf.math.floormod(numbers, tf.gather(self._allowed, users)[:, tf.newaxis])
        left = _entries_up_to(self._keys, users[:, tf.newaxis] * self._stride + points)
        skipped = tf.gather(self._seen_length, left) - tf.gather(self._length_before_user, users)[:, tf.newaxis]
        return _entries_up_to(self._line, points + skipped)


def _entries_up_to(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """How many entries of ``ascending`` are at most each of ``values``."""
    counts = tf.searchsorted(ascending, tf.reshape(values, [-1]), side="right", out_type=tf.int64)
    return tf.reshape(counts, tf.shape(values))


def _popularity_weights(train: Interactions, seen: SeenItems, power: float) -> NDArray[np.int64]:
    """Integer weights in proportion to a power of the counts, as fine as keys of 62 bits allow, at least 1."""
    counts = np.bincount(train.item, minlength=seen.items)
    occurs = counts > 0
    shares = np.zeros(seen.items)
    shares[occurs] = (counts[occurs] / counts.max()) ** power
    total = min(4 * _LARGEST_KEY // max(seen.users, 1), _LARGEST_TOTAL_WEIGHT) - seen.items - 2
    weights = np.rint(shares * (total / max(shares.sum(), 1))).astype(np.int64)
    return np.where(occurs, np.maximum(weights, 1), 0)


def _require_something_allowed(allowed: NDArray[np.int64], user_ids: Sequence[str] | None) -> None:
    if allowed.all():
        return
    user = int(np.argmin(allowed))
    name = f"user {user} (dense id)" if user_ids is None else f'user "{user_ids[user]}"'
    raise InvalidInputError(
        f"{name} has a training interaction with every item that can be drawn, so it has no negatives. Leave this user "
        "out of training, or train without sampled negatives."
    )
