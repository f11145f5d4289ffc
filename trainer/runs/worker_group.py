"""The processes that train together, and what they have to agree on."""

from typing import Any

import tensorflow as tf


class WorkerGroup:
    """Processes that take every step together, each on its part of the batch.

    What one of them decides alone, by its clock or because of a signal, all have to do in the same step: writing a
    checkpoint takes all of them. Everything here has to be called by all processes in the same order.

    Args:
        strategy: Their strategy.
        index: The number of this process.
        size: Number of processes.
    """

    def __init__(self, strategy: tf.distribute.Strategy, *, index: int, size: int) -> None:
        self._strategy = strategy
        self.index = index
        self.size = size

    def gather(self, value: Any) -> tf.Tensor:
        """The values of all processes, ``[size, ...]``; they need the same shape everywhere."""
        own = tf.convert_to_tensor(value)[tf.newaxis]
        everybody = _gathered(self._strategy, own)
        # A process with several devices has its value once for each of them.
        return everybody[:: tf.shape(everybody)[0] // self.size]

    def highest(self, value: int) -> int:
        """The highest of the numbers that the processes give."""
        return int(tf.reduce_max(self.gather(tf.constant(value, tf.int64))))

    def lowest(self, value: int) -> int:
        """The lowest of the numbers that the processes give."""
        return -self.highest(-value)

    def wait(self) -> None:
        """Comes back when all processes are here."""
        self.highest(0)


@tf.function(reduce_retracing=True)
def _gathered(strategy: tf.distribute.Strategy, own: tf.Tensor) -> tf.Tensor:
    def everybody(rows: tf.Tensor) -> tf.Tensor:
        # A tensor from outside has no device, and would be gathered nowhere.
        return tf.distribute.get_replica_context().all_gather(tf.identity(rows), axis=0)

    return strategy.experimental_local_results(strategy.run(everybody, args=(own,)))[0]
