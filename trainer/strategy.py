"""Which devices share a training step."""

from collections.abc import Callable

import tensorflow as tf

from tf_metammf.errors import InvalidInputError, unknown_name

STRATEGIES = ("none", "mirrored")


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of a name.

    Args:
        name: ``"none"`` for one device; ``"mirrored"`` for all GPUs of this machine or, where there is none, all its
            logical CPU devices. Every device has all weights and its part of every batch, and the step is that of one
            device with the whole batch.

    Raises:
        InvalidInputError: The name is unknown.
    """
    match name:
        case "none":
            return tf.distribute.get_strategy()
        case "mirrored":
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            return tf.distribute.MirroredStrategy([device.name for device in devices])
    raise unknown_name("training.strategy", name, STRATEGIES)


def require_divisible(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Refuses a batch that the replicas cannot share evenly.

    Raises:
        InvalidInputError: It is no multiple of their number.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise InvalidInputError(
            f"training.batch_size is {batch_size}, expected a multiple of the {replicas} devices that share it. "
            f"Choose {max(batch_size // replicas, 1) * replicas}."
        )


def shared_dataset(
    strategy: tf.distribute.Strategy, make_dataset: Callable[[tf.distribute.InputContext | None], tf.data.Dataset]
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """The batches of all devices, each with its part of them.

    Args:
        strategy: The devices.
        make_dataset: From the part of an input pipeline, or None for whole batches, to its batches.
    """
    if strategy.num_replicas_in_sync == 1:
        return make_dataset(None)
    return strategy.distribute_datasets_from_function(make_dataset)
