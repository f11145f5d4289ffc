"""What an auxiliary loss is: something to learn beside the objective, from what items look like."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.auxiliary.settings import AuxiliarySettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.layers.layer import Layer
from tf_metammf.parts.parts import settings_of


def _not_given(presence: Mapping[str, tf.Tensor]) -> tf.Tensor:
    raise InvalidInputError("these items cannot be fused again: give ItemViews the functions fuse and embed.")


@dataclass(frozen=True)
class ItemViews:
    """Some items as an auxiliary loss sees them.

    Attributes:
        items: Dense ids ``[n]``, each once.
        fused: Their fused vectors ``[n, width]``.
        features: What was fused, by modality, float ``[n, width]``, as the item tower gives it to the fusion.
        presence: bool ``[n]`` by modality.
        fuse: Fuses the items again with other modalities present: from bool ``[n]`` by modality to ``[n, width]``.
        embed: Embeds them as new items, by content alone, with other modalities present: from the same to what is
            scored, float32 ``[n, d]``.
        embeddings: What the objective scores them by, float32 ``[n, d]``; there for the items of the batch, where
            :attr:`AuxiliaryLoss.uses_embeddings`.
    """

    items: tf.Tensor
    fused: tf.Tensor
    features: Mapping[str, tf.Tensor]
    presence: Mapping[str, tf.Tensor]
    fuse: Callable[[Mapping[str, tf.Tensor]], tf.Tensor] = field(default=_not_given, repr=False)
    embed: Callable[[Mapping[str, tf.Tensor]], tf.Tensor] = field(default=_not_given, repr=False)
    embeddings: tf.Tensor | None = None


class AuxiliaryLoss(Layer):
    """A loss that is added to that of the objective in training.

    Metrics that are attributes of it are logged with the loss, and so are in the history and in TensorBoard.

    One of your own extends this class and defines :meth:`call`. Weights are made in ``build((None, width))``, which is
    called with the width of the fused vectors.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import AuxiliaryLoss
        >>> class ShortVectors(AuxiliaryLoss):
        ...     def call(self, batch, seen, sampled, *, training):
        ...         return 0.1 * tf.reduce_mean(tf.square(seen.fused))
        >>> from tf_metammf.auxiliary.auxiliary_loss import ItemViews
        >>> items = ItemViews(tf.constant([0, 1]), tf.ones([2, 4]), {}, {})
        >>> round(float(ShortVectors()({}, items, None, training=True)), 4)
        0.1
    """

    Settings: ClassVar[type[AuxiliarySettings]] = AuxiliarySettings
    """What the command line and configurations know of it; see :mod:`tf_metammf.parts.parts`."""

    sampled_items: int = 0
    """How many items drawn from the whole catalogue a step brings, beside those of the batch."""

    uses_embeddings: ClassVar[bool] = False
    """Whether it looks at what is scored: ``batch`` has ``user_embedding``, float32 ``[B, d]``, and items have
    ``embeddings``. The encoder has to embed items without interactions."""

    widths: Mapping[str, int] = {}
    """Feature width by modality; the model sets it before :meth:`build`."""

    def require_items(self, *, has_fusion: bool, streamed: bool) -> None:
        """Refuses a model that does not have the items that the loss looks at.

        Args:
            has_fusion: Whether the model fuses items.
            streamed: Whether a step has the features of the batch alone.

        Raises:
            InvalidInputError: It does not.
        """
        if not has_fusion:
            raise InvalidInputError(
                "the auxiliary loss needs a fusion, and there is none. Choose one, or leave the auxiliary loss out."
            )
        if self.sampled_items and streamed:
            raise InvalidInputError(
                f"the auxiliary loss draws {self.sampled_items} items of the catalogue in a step, but features are "
                "streamed, and only those of the batch are there. Set its items to 0, or give the features as a table "
                "(training.feature_budget_gb)."
            )

    @abstractmethod
    def call(self, batch: Batch, seen: ItemViews, sampled: ItemViews | None, *, training: bool) -> tf.Tensor:
        """The loss, a scalar.

        Args:
            batch: The batch.
            seen: The distinct items of the batch.
            sampled: :attr:`sampled_items` items of the whole catalogue, drawn uniformly, repeats left out; None where
                none are asked for.
            training: Whether it is a training step.
        """


def make_auxiliary(auxiliary: Any, options: Mapping[str, Any] | None = None) -> AuxiliaryLoss | None:
    """An auxiliary loss by name, the given one itself, or None.

    Raises:
        InvalidInputError: It is none of these.
    """
    if auxiliary is None:
        return None
    if isinstance(auxiliary, str):
        kind = settings_of("auxiliary", auxiliary)
        if not kind.layer:
            return None
        auxiliary = kind.layer_class()(**(options or {}))
    if not isinstance(auxiliary, AuxiliaryLoss):
        raise InvalidInputError(
            f"the auxiliary loss is {auxiliary!r}, expected a name or a layer that extends "
            "tf_metammf.auxiliary.auxiliary_loss.AuxiliaryLoss."
        )
    return auxiliary
