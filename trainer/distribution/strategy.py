"""Which devices and processes share a training step."""

from collections.abc import Callable
from functools import cache

import tensorflow as tf

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.trainer.distribution.cluster import ROLES, Cluster
from tf_metammf.trainer.runs.worker_group import WorkerGroup

STRATEGIES = ("none", "mirrored", "multi_worker", "parameter_server")

PART_BYTES = 2**18
"""Least size of the parts that a table is cut into for parameter servers."""


def find_cluster(name: str) -> Cluster | None:
    """The processes of a strategy, or None where this process trains alone.

    Args:
        name: One of :data:`STRATEGIES`.

    Raises:
        InvalidInputError: The name is unknown, or ``TF_CONFIG`` does not describe a cluster for it.
    """
    if name not in STRATEGIES:
        raise unknown_name("training.strategy", name, STRATEGIES)
    return Cluster.from_environment(name) if name in ROLES else None


def make_strategy(name: str, cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """The strategy of a name.

    In all but the last every device has all weights and its part of every batch, and the step is that of one device
    with the whole batch. With several processes this comes back when all are there, and has to come before any
    other operation of TensorFlow.

    Args:
        name: ``"none"`` for one device; ``"mirrored"`` for all GPUs of this machine or, where there is none, all its
            logical CPU devices; ``"multi_worker"`` for those of all machines of the cluster;
            ``"parameter_server"`` for workers that take steps of their own, each with a whole batch, on weights that
            the servers of the cluster have; tables of more than twice :data:`PART_BYTES` are cut into parts, at
            most one for each server.
        cluster: As :func:`find_cluster` gives it.

    Raises:
        InvalidInputError: The name is unknown, or this process cannot listen at its address.
    """
    match name:
        case "none":
            return tf.distribute.get_strategy()
        case "mirrored":
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            return _mirrored(tuple(device.name for device in devices))
        case "multi_worker" if cluster is not None:
            try:
                return tf.distribute.MultiWorkerMirroredStrategy()
            except tf.errors.UnknownError as error:
                address = cluster.addresses[cluster.role][cluster.index]
                raise InvalidInputError(
                    f"{cluster.name} cannot listen at {address} ({error.message}). Give it a free port of this machine."
                ) from error
        case "parameter_server" if cluster is not None:
            return tf.distribute.experimental.ParameterServerStrategy(
                tf.distribute.cluster_resolver.TFConfigClusterResolver(),
                variable_partitioner=tf.distribute.experimental.partitioners.MinSizePartitioner(
                    min_shard_bytes=PART_BYTES, max_shards=len(cluster.addresses["ps"])
                ),
            )
    raise unknown_name("training.strategy", name, STRATEGIES)


@cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    # One for all trainings of a process: collectives of two would be taken for each other's.
    return tf.distribute.MirroredStrategy(list(devices))


def worker_group(strategy: tf.distribute.Strategy, cluster: Cluster | None) -> WorkerGroup | None:
    """The processes that take every step together; None where this one is alone."""
    if cluster is None or cluster.workers == 1 or cluster.has_servers:
        return None
    return WorkerGroup(strategy, index=cluster.number, size=cluster.workers)


def is_mirrored(strategy: tf.distribute.Strategy) -> bool:
    """Whether every device has all weights, of which it needs not be more than one."""
    return isinstance(strategy, tf.distribute.MirroredStrategy | tf.distribute.MultiWorkerMirroredStrategy)


def require_divisible(batch_size: int, strategy: tf.distribute.Strategy, *, field: str = "training.batch_size") -> None:
    """Refuses a batch that the replicas cannot share evenly.

    Raises:
        InvalidInputError: It is no multiple of their number.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise InvalidInputError(
            f"{field} is {batch_size}, expected a multiple of the {replicas} devices that share it. "
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
