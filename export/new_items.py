"""Items that were not there in training, from their features alone: embeddings, and what they come from."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.export.modality_inputs import input_names
from tf_metammf.export.new_item_inputs import ModalityInput, SequenceInput, VectorInput
from tf_metammf.export.served_attention import attention_outputs
from tf_metammf.fusion.item_attention import attends_to_tokens, token_attention
from tf_metammf.fusion.modality_shares import modality_shares


class NewItemEncoder(tf.Module):
    """The content path of a model: standardisation, stand-ins, fusion, encoder.

    It keeps the weights that this path reads and nothing else of the model: no ID embedding,
    no features of the catalogue, no Keras layer.

    Args:
        model: A :class:`tf_metammf.model.MetaMMF` with a fusion.

    Attributes:
        modalities: Their names, in alphabetical order.
        input_specs: Specs of the inputs by name, those of each modality as :class:`VectorInput` or
            :class:`SequenceInput` has them.

    Raises:
        InvalidInputError: Two modalities would have an input in common.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        widths, sequences = model.item_features.widths, model.token_modalities
        self.modalities = sorted(widths)
        names = input_names(widths, sequences=sequences)
        takes_times = model.item_tower.form == "tokens"
        self._inputs: dict[str, ModalityInput] = {
            modality: SequenceInput(name, widths[modality], takes_times=takes_times)
            if modality in sequences
            else VectorInput(name, widths[modality])
            for modality, name in names.items()
        }
        # Traced once for all signatures. What is in a closure is not tracked, so the model itself does not become a
        # part of the SavedModel.
        embed = tf.function(model.embed_new_items)
        self._embed_new_items = lambda features, presence: embed(features, presence)
        attends = attends_to_tokens(model.item_tower.fusion)
        self._attention = (lambda *inputs: token_attention(model, *inputs)) if attends else None
        self._shares = lambda features, presence: modality_shares(model, features, presence)
        self.input_specs = {
            name: spec for of_modality in self._inputs.values() for name, spec in of_modality.specs.items()
        }
        path = tf.function(lambda **inputs: self.embed(inputs), autograph=False)
        self._weights = sorted(path.get_concrete_function(**self.input_specs).variables, key=lambda weight: weight.name)

    def embed(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeds new items.

        An item may lack any of its modalities, or all. A present feature that is NaN or infinite
        makes its own item invalid and no other one.

        Args:
            inputs: Tensors as :attr:`input_specs` says. A modality that no item of the batch has
                may be sent as ``[B, 0]``, where it is no token sequence.

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

    def explain(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """The shares of the modalities in the fused vectors of new items, and attention to their moments.

        Args:
            inputs: As in :meth:`embed`.

        Returns:
            Shares, float32 ``[B, M]``, as :func:`tf_metammf.fusion.modality_shares.modality_shares` defines them,
            0 for invalid items, bool ``[B]``: which are valid, and outputs of attention by name
            (:func:`tf_metammf.export.served_attention.attention_outputs`), none where the fusion has none.

        Raises:
            tf.errors.InvalidArgumentError: As in :meth:`embed`.
        """
        features, presence, valid = self._read(inputs)
        shares = self._shares(features, presence)
        valid &= tf.reduce_all(tf.math.is_finite(shares), axis=1)
        attention = {}
        if self._attention is not None:
            shown = self._attention(features, presence)
            attention = attention_outputs({name: (of.times, weights) for name, (of, weights) in shown.items()}, valid)
        return tf.where(valid[:, tf.newaxis], shares, 0.0), valid, attention

    def _read(self, inputs: Mapping[str, tf.Tensor]) -> tuple[dict[str, Any], dict[str, tf.Tensor], tf.Tensor]:
        """Features and presence by modality, checked, and which items have finite features alone."""
        features, presence = {}, {}
        valid = tf.constant(True)
        items = tf.shape(inputs[next(iter(self._inputs.values())).name])[0]
        for modality, of_modality in self._inputs.items():
            features[modality], presence[modality], finite = of_modality.read(inputs, items)
            valid &= finite
        return features, presence, valid
