"""What an objective is: it names the items that it needs of a batch, and turns embeddings into a loss."""

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.layers.recommenders import tfrs
from tf_metammf.layers.traced_code import trace_as_written
from tf_metammf.objectives.settings import ObjectiveSettings
from tf_metammf.parts.parts import setting_names, settings_of

SCORES_ARE_FLOAT32: dict[str, Any] = {"dtype": "float32", "autocast": False}
"""Whatever the global dtype policy is: losses of 16 bits are too coarse to follow."""


class Objective(keras.layers.Layer, tfrs.tasks.base.Task):
    """A TFRS task that turns embeddings into a loss.

    An objective of your own extends this class and defines :meth:`candidates` and :meth:`call`. Its loss is a mean over
    the batch, ``sum_b w_b l_b / sum_b w_b`` where the batch has a ``"weight"``, float32 ``[B]``.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import Objective
        >>> class SquaredDistance(Objective):
        ...     def candidates(self, batch):
        ...         return batch["item"]
        ...
        ...     def call(self, queries, candidates, batch):
        ...         return tf.reduce_mean(tf.square(queries - candidates))
        >>> float(SquaredDistance()(tf.zeros([2, 4]), tf.ones([2, 4]), {"item": tf.constant([0, 1])}))
        1.0
    """

    Settings: ClassVar[type[ObjectiveSettings]] = ObjectiveSettings
    """What the command line and configurations know of it; see :mod:`tf_metammf.parts.parts`."""

    distinct_candidates: ClassVar[bool] = False
    """Whether the ids of :meth:`candidates` are distinct already."""
    distinct_queries: ClassVar[bool] = False
    """Whether :meth:`call` may get the embeddings of the distinct users of a batch, each once. The batch then says in
    ``"query"``, int32 ``[B]``, which of them every row has; without it, queries are those of the rows."""
    needs_all_items: ClassVar[bool] = False
    """Whether they are all items, whatever the batch."""
    takes_preferences: ClassVar[bool] = False
    """Whether it learns from the preferences of a batch as well, :mod:`tf_metammf.objectives.preference`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        trace_as_written(cls)

    @abstractmethod
    def candidates(self, batch: Batch) -> tf.Tensor:
        """Dense ids of the items whose embeddings are needed, int64 ``[C]``."""

    @abstractmethod
    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The loss, a scalar.

        Args:
            queries: Embeddings of the users of the batch, float32 ``[B, d]``.
            candidates: Embeddings of :meth:`candidates`, float32 ``[C, d]``.
            batch: The batch.
        """


class TaskObjective(Objective):
    """Any TFRS task of queries and candidates, such as ``tfrs.tasks.Retrieval()``, as an objective.

    The task gets the embeddings of the users and of the items of the batch, row by row, and ``candidate_ids`` where it
    takes them, and the weights of the batch as ``sample_weight``; its loss is taken as it is. TFRS' own adds up over
    the batch.

    Args:
        task: The task.
    """

    def __init__(self, task: keras.layers.Layer) -> None:
        super().__init__(name=f"{task.name}_objective", **SCORES_ARE_FLOAT32)
        self.task = task
        self._arguments = set(inspect.signature(task.call).parameters)

    def candidates(self, batch: Batch) -> tf.Tensor:
        """Dense ids of the items of the batch, ``[B]``."""
        return batch["item"]

    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Batch) -> tf.Tensor:
        """What the task gives.

        Raises:
            InvalidInputError: The batch has weights, which the task does not take.
        """
        given: dict[str, Any] = {"candidate_ids": batch["item"], "compute_metrics": False}
        if "weight" in batch:
            if "sample_weight" not in self._arguments:
                raise InvalidInputError(
                    f"interactions have weights, but the task {type(self.task).__name__} takes no sample_weight. Leave "
                    "the weights out, or take an objective that uses them."
                )
            given["sample_weight"] = batch["weight"]
        return self.task(queries, candidates, **{name: given[name] for name in self._arguments & set(given)})


def make_objective(
    objective: Any, options: Mapping[str, Any] | None = None, *, item_frequency: NDArray[np.integer] | None = None
) -> Objective:
    """An objective by name, a TFRS task, or the given objective itself.

    Args:
        objective: The name of an objective, ``"package.module:Class"``, an :class:`Objective`, or a task of TFRS.
        options: Constructor arguments of one given by name.
        item_frequency: Training interactions of every item, for those that correct for them.

    Raises:
        InvalidInputError: It is none of these, or an argument is missing or not acceptable.
    """
    if isinstance(objective, str):
        return _named_objective(objective, dict(options or {}), item_frequency)
    if options:
        raise InvalidInputError(
            f"the objective is a layer, but there are options: {', '.join(sorted(options))}. Give them to its "
            "constructor."
        )
    if isinstance(objective, Objective):
        return objective
    if isinstance(objective, keras.layers.Layer) and isinstance(objective, tfrs.tasks.base.Task):
        return TaskObjective(objective)
    raise InvalidInputError(
        f'the objective is {objective!r}, expected a name such as "bpr", an objective such as tf_metammf.BPR(), or a '
        "task of TFRS such as tfrs.tasks.Retrieval()."
    )


def _named_objective(name: str, options: dict[str, Any], item_frequency: NDArray[np.integer] | None) -> Objective:
    kind = settings_of("objective", name)
    settings = kind(**{key: value for key, value in options.items() if key in setting_names(kind) - {"name"}})
    if isinstance(settings, ObjectiveSettings) and settings.takes_item_frequency:
        if item_frequency is None and "item_frequency" not in options:
            raise InvalidInputError(
                f'the objective "{name}" corrects for how often items occur: give the model item_frequency.'
            )
        options.setdefault("item_frequency", item_frequency)
    made = kind.layer_class()(**options)
    return made if isinstance(made, Objective) else make_objective(made)
