"""Requests made of a record set's own ids and features, for every signature that a model has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.modality_inputs import LENGTHS, PRESENT, TIMES, input_name
from tf_metammf.export.signatures import Signature, TensorSpec
from tf_metammf.records.token_sequences import TokenSequences

Inputs = dict[str, NDArray[Any]]

PLACES = 10
"""Value of a number of places, ``k``."""

LIST_LENGTH = 4
"""Ids in a row of an input that has several for each."""

TOKENS = 8
"""Tokens of an item of which the mean alone is known."""


@dataclass(frozen=True)
class SampleRequests:
    """Draws users, items and features of items from what there is.

    Which of these an input takes is told by its name and type, so that signatures do not have to
    be known: text with ``user`` in its name are users, other text items; the input of a modality
    has its name; a whole number is a number of places; a truth value is true.

    Attributes:
        user_ids: Raw user ids.
        item_ids: Raw item ids.
        features: float32 ``[items, width]`` by modality, or token sequences as arrays.
        presence: bool ``[items]`` by modality; one left out is present everywhere.
    """

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    features: Mapping[str, NDArray[np.floating] | TokenSequences]
    presence: Mapping[str, NDArray[np.bool_]]

    def has(self, signature: Signature) -> bool:
        """Whether there is a sample for every input."""
        try:
            self.inputs(signature, 1)
        except InvalidInputError:
            return False
        return True

    def inputs(self, signature: Signature, rows: int, *, seed: int = 0) -> Inputs:
        """Inputs of a request by name; the same for the same arguments.

        Args:
            signature: What it has to be a request of.
            rows: Users, items or pairs of them.
            seed: Other requests of the same size have other seeds.

        Raises:
            InvalidInputError: There is no sample for an input.
        """
        random = np.random.default_rng([seed, rows])
        items = random.integers(0, len(self.item_ids), rows)
        return {name: self._value(name, spec, items, random) for name, spec in signature.inputs.items()}

    def _value(
        self, name: str, spec: TensorSpec, items: NDArray[np.int64], random: np.random.Generator
    ) -> NDArray[Any]:
        modalities = {input_name(modality): modality for modality in self.features}
        if (sequences := self._sequences_of(name, spec, modalities)) is not None:
            return sequences[items]
        if name in modalities and spec.dtype == "float32":
            present = self._present(modalities[name])[items]
            return np.where(present[:, np.newaxis], self.features[modalities[name]][items], 0).astype(np.float32)
        if name.removesuffix(PRESENT) in modalities and spec.dtype == "bool":
            return self._present(modalities[name.removesuffix(PRESENT)])[items]
        if spec.shape is not None and len(spec.shape) <= 2:
            shape = (len(items), LIST_LENGTH)[: len(spec.shape)]
            if spec.dtype == "string":
                ids = self.user_ids if "user" in name else self.item_ids
                drawn = random.integers(0, len(ids), shape)
                return np.array([ids[int(row)].encode() for row in drawn.ravel()], np.object_).reshape(shape)
            if spec.dtype in ("int32", "int64"):
                return np.full(shape, min(PLACES, len(self.item_ids)), spec.numpy_dtype)
            if spec.dtype == "bool":
                return np.ones(shape, bool)
        raise InvalidInputError(f'input "{name}", {spec}: there is no sample for it.')

    def _sequences_of(self, name: str, spec: TensorSpec, modalities: Mapping[str, str]) -> NDArray[Any] | None:
        """What an input of token sequences takes of all items; None where it is another input."""
        if name in modalities and spec.shape is not None and len(spec.shape) == 3:
            return np.asarray(self._padded(modalities[name]).values, np.float32)
        for ending, dtype in ((LENGTHS, "int64"), (TIMES, "float32")):
            if name.endswith(ending) and name.removesuffix(ending) in modalities and spec.dtype == dtype:
                padded = self._padded(modalities[name.removesuffix(ending)])
                return np.asarray(padded.lengths if ending == LENGTHS else padded.times, spec.numpy_dtype)
        return None

    def _padded(self, modality: str) -> TokenSequences:
        """Sequences of all items; those of a model that was given their means are the mean :data:`TOKENS` times."""
        features, present = self.features[modality], self._present(modality)
        if not isinstance(features, TokenSequences):
            values = np.repeat(features[:, np.newaxis], TOKENS, axis=1)
            lengths = np.full(len(values), TOKENS)
            features = TokenSequences(values, lengths, np.zeros(values.shape[:2]))
        values = np.where(present[:, np.newaxis, np.newaxis], features.values, 0)
        return TokenSequences(values, np.where(present, features.lengths, 0), features.times)

    def _present(self, modality: str) -> NDArray[np.bool_]:
        return np.asarray(self.presence.get(modality, np.ones(len(self.item_ids), bool)), bool)
