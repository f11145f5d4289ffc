"""Items that were not there in training, from their features alone: embeddings, and what they come from."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.export.modality_inputs import PRESENT, input_names
from tf_metammf.export.request_checks import require
from tf_metammf.fusion.modality_shares import modality_shares


class NewItemEncoder(tf.Module):
    """The content path of a model: standardisation, stand-ins, fusion, encoder.

    It keeps the weights that this path reads and nothing else of the model: no ID embedding,
    no features of the catalogue, no Keras layer.

    Args:
        model: A :class:`tf_metammf.model.MetaMMF` with a fusion.

    Attributes:
        modalities: Their names, in alphabetical order.
        input_specs: Specs of the inputs by name: of every modality its features, float32
            ``[B, width]`` or ``[B, 0]``, and its presence, bool ``[B]``.

    Raises:
        InvalidInputError: Two modalities would have an input in common.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.modalities = sorted(model.item_features.widths)
        self._names = input_names(model.item_features.widths)
        self._widths = dict(model.item_features.widths)
        # Traced once for all signatures. What is in a closure is not tracked, so the model itself does not become a
        # part of the SavedModel.
        embed = tf.function(model.embed_new_items)
        self._embed_new_items = lambda features, presence: embed(features, presence)
        self._shares = lambda features, presence: modality_shares(model, features, presence)
        self.input_specs = {
            name: spec
            for modality in self._names.values()
            for name, spec in (
                (modality, tf.TensorSpec([None, None], tf.float32)),
                (modality + PRESENT, tf.TensorSpec([None], tf.bool)),
            )
        }
        path = tf.function(lambda **inputs: self.embed(inputs), autograph=False)
        self._weights = sorted(path.get_concrete_function(**self.input_specs).variables, key=lambda weight: weight.name)

    def embed(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeds new items.

        An item may lack any of its modalities, or all. A present feature that is NaN or infinite
        makes its own item invalid and no other one.

        Args:
            inputs: Tensors as :attr:`input_specs` says. A modality that no item of the batch has
                may be sent as ``[B, 0]``.

        Returns:
            Embeddings, float32 ``[B, d]``, NaN for invalid items, and bool ``[B]``: which are valid.

        Raises:
            tf.errors.InvalidArgumentError: When the graph runs: a width or a number of rows is
                wrong, or a modality of width 0 is said to be present. The modality is named.
        """
        features, presence, valid = self._read(inputs)
        embeddings = self._embed_new_items(features, presence)
        valid &= tf.reduce_all(tf.math.is_finite(embeddings), axis=1)
        return tf.where(valid[:, tf.newaxis], embeddings, float("nan")), valid

    def explain(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """The shares of the modalities in the fused vectors of new items.

        Args:
            inputs: As in :meth:`embed`.

        Returns:
            Shares, float32 ``[B, M]``, as :func:`tf_metammf.fusion.modality_shares.modality_shares` defines them,
            0 for invalid items, and bool ``[B]``: which are valid.

        Raises:
            tf.errors.InvalidArgumentError: As in :meth:`embed`.
        """
        features, presence, valid = self._read(inputs)
        shares = self._shares(features, presence)
        valid &= tf.reduce_all(tf.math.is_finite(shares), axis=1)
        return tf.where(valid[:, tf.newaxis], shares, 0.0), valid

    def _read(self, inputs: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.Tensor]:
        """Features and presence by modality, checked, and which items have finite features alone."""
        features, presence = {}, {}
        valid = tf.constant(True)
        items = tf.shape(inputs[next(iter(self._names.values()))])[0]
        for modality, name in self._names.items():
            width, values, present = self._widths[modality], inputs[name], inputs[name + PRESENT]
            # Whatever is computed of them waits for the checks, so that theirs are the messages.
            with tf.control_dependencies(_checks(name, width, values, present, items)):
                values, present = _complete(values, width), tf.identity(present)
            valid &= tf.reduce_all(tf.math.is_finite(values), axis=1) | ~present
            features[modality], presence[modality] = values, present
        return features, presence, valid


def _complete(values: tf.Tensor, width: int) -> tf.Tensor:
    """Features ``[B, width]``, zeros where they were left out."""
    return tf.ensure_shape(tf.pad(values, [[0, 0], [0, width - tf.shape(values)[1]]]), [None, width])


def _checks(name: str, width: int, values: tf.Tensor, present: tf.Tensor, items: tf.Tensor) -> list[Any]:
    shape, presences = tf.shape(values), tf.shape(present)[0]
    is_left_out = tf.equal(shape[1], 0)
    return [
        require(
            tf.equal(shape[1], width) | is_left_out,
            f"modality {name}: found features {{}}, expected [batch, {width}], or [batch, 0] where no item has it.",
            shape,
        ),
        require(
            tf.equal(shape[0], items) & tf.equal(presences, items),
            f"modality {name}: found features {{}} and presence [{{}}], expected both for the same {{}} items.",
            shape,
            presences,
            items,
        ),
        require(
            ~(is_left_out & tf.reduce_any(present)),
            f"modality {name}: found features {{}} and presence true, expected [batch, {width}] then.",
            shape,
        ),
    ]
