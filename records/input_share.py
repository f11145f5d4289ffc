"""Which part of every batch an input pipeline delivers when training is distributed."""

from dataclasses import dataclass

import tensorflow as tf

from tf_metammf.errors import InvalidInputError


@dataclass(frozen=True)
class InputShare:
    """The part of every global batch that one input pipeline delivers.

    A global batch is cut into one batch for each replica. A pipeline feeds
    ``replicas // pipelines`` replicas and delivers their batches of one step, one after another, then
    those of the next step, which is what ``tf.distribute`` expects of it.

    Attributes:
        batch_size: Interactions of a global batch.
        pipelines: Input pipelines, usually one for each worker.
        pipeline: The number of this one.
        replicas: Replicas of all pipelines together.
    """

    batch_size: int
    pipelines: int = 1
    pipeline: int = 0
    replicas: int = 1

    @classmethod
    def of(cls, batch_size: int, input_context: tf.distribute.InputContext | None) -> "InputShare":
        """The share that ``input_context`` describes; whole batches where it is None.

        Raises:
            InvalidInputError: ``batch_size`` is below 1 or no multiple of the number of replicas, or there are not
                equally many replicas for each pipeline.
        """
        if batch_size < 1:
            raise InvalidInputError(f"batch_size is {batch_size}, expected at least 1.")
        if input_context is None:
            return cls(batch_size)
        replicas, pipelines = input_context.num_replicas_in_sync, input_context.num_input_pipelines
        if replicas % pipelines:
            raise InvalidInputError(
                f"{replicas} replicas cannot be shared by {pipelines} input pipelines, expected a multiple. "
                "Give every worker the same number of devices."
            )
        if batch_size % replicas:
            raise InvalidInputError(
                f"batch_size is {batch_size}, expected a multiple of the {replicas} replicas. "
                f"Choose {max(batch_size // replicas, 1) * replicas}."
            )
        return cls(batch_size, pipelines, input_context.input_pipeline_id, replicas)

    @property
    def replica_batch_size(self) -> int:
        """Interactions of a whole batch of one replica."""
        return self.batch_size // self.replicas

    @property
    def batches_a_step(self) -> int:
        """Batches that this pipeline delivers in one step: one for each replica that it feeds."""
        return self.replicas // self.pipelines

    def batch_number(self, delivered: tf.Tensor) -> tf.Tensor:
        """Number of a batch among those of all pipelines, step by step.

        Args:
            delivered: How many batches this pipeline delivered before it in this epoch, int64.

        Returns:
            ``step * replicas + replica``, int64; no two pipelines have the same number.
        """
        step, position = delivered // self.batches_a_step, delivered % self.batches_a_step
        return step * self.replicas + self.pipeline * self.batches_a_step + position

    def rows(self, batch_number: tf.Tensor, total: int, steps: int) -> tuple[tf.Tensor, tf.Tensor]:
        """First row, and the one after the last row, of a batch.

        Rows ``[step * batch_size, ...)`` are one step; the last step has all that are left, and if these are no whole
        batch, they are shared as evenly as they can be.

        Args:
            batch_number: From :meth:`batch_number`.
            total: Rows of the epoch.
            steps: Steps of the epoch.
        """
        step, replica = batch_number // self.replicas, batch_number % self.replicas
        start = step * self.batch_size
        size = tf.where(step == steps - 1, total - start, self.batch_size)
        return start + size * replica // self.replicas, start + size * (replica + 1) // self.replicas
