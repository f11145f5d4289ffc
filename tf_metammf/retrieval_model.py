"""What a retrieval model is to Keras: compiled, fitted, saved and copied like other models, or a clear error."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, NotSerializableError
from tf_metammf.features.batches import (
    Batch,
    as_arrays,
    batch_of,
    check_data,
    leaves_one_row,
    static_rows,
    with_sample_weight,
)
from tf_metammf.layers.keras_version import refuse_keras_3
from tf_metammf.layers.recommenders import tfrs
from tf_metammf.layers.replicas import replica_count, size_of_batch, sum_over_batch
from tf_metammf.objectives.objective import Objective
from tf_metammf.weight_updates import JointUpdates

logger = logging.getLogger(__name__)

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16", "float64")

_SAVE_INSTEAD = (
    "it holds features and graphs of a data set, which are not part of a configuration. Save its weights with "
    'save_weights("model.weights.h5"), make the model again with the same arguments and call load_weights; or save '
    'what predict needs, features included, with save("folder").'
)


class RetrievalModel(tfrs.Model):
    """A TFRS model of users and items that is trained on dictionaries of ids.

    Args:
        users: Number of users.
        items: Number of items.
        objective: A task of :mod:`tf_metammf.objectives`.
        **options: Name, dtype and other arguments of a Keras model.

    Attributes:
        logs_gradient_norm: Whether a training step logs the norm of its gradients, ``gradient_norm``; set it before
            ``fit``. Defaults to False.
        weight_updates: How a step changes weights; set it before ``fit``. Defaults to all at once.

    Raises:
        InvalidInputError: The objective is no task, or the dtype policy keeps weights in 16 bits.
    """

    def __init__(self, users: int, items: int, objective: Objective, **options: Any) -> None:
        # Features of a batch are not cast to the policy's type: standardisation takes all their digits.
        super().__init__(**{"autocast": False, **options})
        if self.dtype_policy.name not in POLICIES:
            raise InvalidInputError(
                f"the dtype policy is {self.dtype_policy.name}, expected one of {', '.join(POLICIES)}: weights of 16 "
                "bits do not learn."
            )
        refuse_keras_3(type(self).__name__, objective)
        if not isinstance(objective, Objective):
            raise InvalidInputError(
                f"the objective is {objective!r}, expected a task such as tf_metammf.InBatchSoftmax(item_frequency)."
            )
        self.users = users
        self.items = items
        self.objective = objective
        self.mean_loss = keras.metrics.Mean(name="loss")
        self.logs_gradient_norm = False
        self.weight_updates = JointUpdates()
        self._frozen: frozenset[Any] = frozenset()

    def freeze(self, weights: Iterable[tf.Variable]) -> None:
        """Takes weights out of training: they get no gradient, and no place in an optimiser made after that."""
        self._frozen = frozenset(weight.ref() for weight in weights)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """The weights that training changes: those of the layers that are not frozen."""
        return [weight for weight in super().trainable_weights if weight.ref() not in self._frozen]

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        """All others."""
        return [*super().non_trainable_weights, *self.frozen_weights]

    @property
    def frozen_weights(self) -> list[tf.Variable]:
        """The weights that were taken out of training."""
        return [weight for weight in super().trainable_weights if weight.ref() in self._frozen]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch, which Keras resets when it begins."""
        return [*super().metrics, *self.weight_updates.metrics]

    @abstractmethod
    def compute_loss(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """The loss of a batch, float32 scalar."""

    def compile(self, optimizer: Any = "adam", *arguments: Any, **options: Any) -> None:
        """Sets the optimiser, and ``run_eagerly`` or ``steps_per_execution``; the loss is that of the objective.

        Args:
            optimizer: A Keras 2 optimiser or its name. Defaults to ``"adam"``.
            *arguments: None.
            **options: Other arguments of ``tf_keras.Model.compile``.

        Raises:
            InvalidInputError: Losses, metrics or ``jit_compile`` are given.
            MetaMMFError: The optimiser is one of Keras 3.
        """
        refuse_keras_3("compile", optimizer)
        unused = ("loss", "metrics", "loss_weights", "weighted_metrics", "jit_compile")
        given = [name for name in unused if options.get(name)]
        if given or any(argument is not None for argument in arguments):
            raise InvalidInputError(
                f"compile got {', '.join(given) or 'a loss'}: the loss is that of the objective, metrics are those of "
                "tf_metammf.FullRanking, and jit_compile is an argument of the model. Give compile the optimizer alone."
            )
        super().compile(optimizer, **options)

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, **options: Any) -> Any:
        """Trains as :meth:`tf_keras.Model.fit` does, on batches without labels.

        Args:
            x: A dictionary of arrays, or a dataset of such dictionaries. ``"weight"``, float ``[n]``, is how much each
                interaction counts, where it is there.
            y: Nothing.
            batch_size: Rows of a batch, where ``x`` is a dictionary. Defaults to 32. Where one row is left for the last
                batch and the objective contrasts the rows of a batch, a warning says that nothing is learned from it.
            **options: As Keras has them; ``sample_weight`` is the same as ``"weight"`` in a dictionary of arrays.

        Raises:
            InvalidInputError: The data are something else.
            MetaMMFError: A callback is one of Keras 3.
        """
        refuse_keras_3("fit", options.get("callbacks"))
        x = with_sample_weight(x, options.pop("sample_weight", None))
        self._check_data(x, y, options)
        contrasts = self.objective.Settings.contrasts_batch
        if contrasts and (batch_size or static_rows(x)) == 1:
            raise InvalidInputError(
                f"batch_size is 1, but the negatives of {type(self.objective).__name__} are the other items of the "
                "batch. Increase it."
            )
        arrays = as_arrays(x)
        if contrasts and not options.get("validation_split") and leaves_one_row(arrays, batch_size or 32):
            logger.warning(
                "The last batch of every epoch has one row, from which %s learns nothing: its negatives are the other "
                "items of the batch. Choose another batch_size to use all rows.",
                type(self.objective).__name__,
            )
        trained = super().fit(arrays, y, batch_size, **options)
        losses = trained.history.get("loss")
        if contrasts and losses and not any(losses):
            raise InvalidInputError(
                "the loss was 0 in every step, so nothing was learned: each batch had only one item, and the "
                f"negatives of {type(self.objective).__name__} are the other items of the batch. Use larger batches."
            )
        return trained

    def evaluate(self, x: Any = None, y: Any = None, **options: Any) -> Any:
        """The mean loss of batches, each weighted by its rows or weights, as :meth:`tf_keras.Model.evaluate`.

        Raises:
            InvalidInputError: The data are not batches of ids.
        """
        x = with_sample_weight(x, options.pop("sample_weight", None))
        self._check_data(x, y, options)
        return super().evaluate(as_arrays(x), y, **options)

    def predict(self, x: Any, *arguments: Any, **options: Any) -> Any:
        """Scores of pairs ``[rows]``, as :meth:`tf_keras.Model.predict`."""
        return super().predict(as_arrays(x), *arguments, **options)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Calls the model as Keras does.

        Raises:
            MetaMMFError: An argument is a tensor of Keras 3.
        """
        refuse_keras_3(type(self).__name__, (arguments, options))
        return super().__call__(*arguments, **options)

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """The training step of :class:`tfrs.Model`, with loss scaling.

        Logs the mean of the loss over the epoch so far, each batch weighted by its rows or the sum of their weights.
        """
        batch = batch_of(inputs)
        loss, measured = self.weight_updates.step(self, lambda: self._total_loss(batch, training=True))
        return self._logged(loss, batch) | measured

    def test_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """The test step of :class:`tfrs.Model`; logs the mean of the loss so far, as a training step."""
        batch = batch_of(inputs)
        return self._logged(self._total_loss(batch, training=False), batch)

    def save(self, filepath: Any, overwrite: bool = True, save_format: str | None = None, **options: Any) -> None:
        """Writes a SavedModel whose ``predict`` scores pairs, with everything that takes.

        Args:
            filepath: A folder.
            overwrite: Whether what is there is replaced. Defaults to True.
            save_format: ``"tf"`` or None.
            **options: As Keras has them.

        Raises:
            NotSerializableError: The file is to be one of Keras or of HDF5, which need a configuration to make the
                model from. Nothing is written.
        """
        if save_format not in (None, "tf") or Path(filepath).suffix in (".keras", ".h5", ".hdf5"):
            raise NotSerializableError(f"{filepath}: {type(self).__name__} is not saved as one file: {_SAVE_INSTEAD}")
        super().save(filepath, overwrite, "tf", **options)

    def save_weights(self, filepath: Any, *arguments: Any, **options: Any) -> None:
        """Writes the weights as :meth:`tf_keras.Model.save_weights`.

        Raises:
            InvalidInputError: HDF5 files without ``.weights`` in their name need a name for each weight, and a layer
                of the user's own has the same name for several. Nothing is written.
        """
        path = Path(filepath)
        if path.suffix in (".h5", ".hdf5", ".keras") and not path.name.endswith(".weights.h5"):
            for layer in self.layers:
                names = [weight.name for weight in layer.weights]
                for name in names:
                    if names.count(name) > 1:
                        raise InvalidInputError(
                            f'{path}: layer "{layer.name}" has several weights of the name "{name}", which this format '
                            f"cannot tell apart. Name the file {path.stem}.weights.h5."
                        )
        super().save_weights(str(filepath), *arguments, **options)

    def get_config(self) -> dict[str, Any]:
        """Not there: features and frequencies are data, so a model is made again and its weights are loaded.

        Raises:
            NotSerializableError: Always; the message says how to save and restore the model.
        """
        raise NotSerializableError(f"{type(self).__name__} has no configuration to create it from: {_SAVE_INSTEAD}")

    def __reduce__(self) -> Any:
        raise NotSerializableError(f"{type(self).__name__} cannot be pickled: {_SAVE_INSTEAD}")

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        raise NotSerializableError(f"{type(self).__name__} cannot be copied: {_SAVE_INSTEAD}")

    def _total_loss(self, batch: Batch, *, training: bool) -> tf.Tensor:
        """Loss and regularisation; the parts of the replicas add up to those of the batch."""
        regularization = [tf.reduce_sum(tf.cast(loss, tf.float32)) / replica_count() for loss in self.losses]
        return tf.add_n([self.compute_loss(batch, training=training), *regularization])

    def _logged(self, loss: tf.Tensor, batch: Batch) -> dict[str, tf.Tensor]:
        # The parts of the replicas add up to the loss; the metric takes their mean.
        rows, weights = size_of_batch(batch["user"]), batch.get("weight")
        counted = rows if weights is None else sum_over_batch(weights)
        if self.objective.Settings.contrasts_batch:
            # One row has no negatives, and its loss of 0 says nothing.
            counted = tf.where(rows > 1, counted, tf.zeros_like(counted))
        self.mean_loss.update_state(loss * replica_count(), sample_weight=counted)
        return {"loss": self.mean_loss.result()}

    def _check_data(self, x: Any, y: Any, options: dict[str, Any]) -> None:
        check_data(x, y, users=self.users, items=self.items, class_weight=options.get("class_weight"))

    def _made(self, features: Mapping[str, Any] | None = None) -> None:
        """Marks the model as built, as a call would: all weights are there.

        Args:
            features: Specs by modality of the features that come with the batches.
        """
        ids = tf.TensorSpec([None], tf.int64)
        spec: dict[str, Any] = {"item": ids, "user": ids}
        if features:
            spec["item_features"] = {
                "features": features,
                "item": ids,
                "presence": {name: tf.TensorSpec([None], tf.bool) for name in features},
            }
        self.built = True
        # What Keras notes at the first call, from which SavedModels are traced.
        self._set_save_spec(spec)
