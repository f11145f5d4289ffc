"""Inputs of new items in a served graph: the features of one modality, read and checked."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.export.modality_inputs import LENGTHS, PRESENT, TIMES
from tf_metammf.export.request_checks import require
from tf_metammf.records.token_sequences import TokenSequences, relative_times

Read = tuple[Any, tf.Tensor, tf.Tensor]
"""Features, presence, bool ``[B]``, and which items have finite features alone, bool ``[B]``."""


class ModalityInput(ABC):
    """What requests say of one modality of new items.

    Args:
        name: Name of the input that has the features.
        width: Values of an item, or of each of its tokens.
    """

    def __init__(self, name: str, width: int) -> None:
        self.name, self.width = name, width

    @property
    @abstractmethod
    def specs(self) -> dict[str, tf.TensorSpec]:
        """Specs of the inputs by name."""

    @abstractmethod
    def read(self, inputs: Mapping[str, tf.Tensor], items: tf.Tensor) -> Read:
        """The features of so many items.

        Raises:
            tf.errors.InvalidArgumentError: When the graph runs: a width or a number of rows is wrong, or a modality
                that was left out is said to be present. The modality is named.
        """


class VectorInput(ModalityInput):
    """One vector an item: ``NAME``, float32 ``[B, width]`` or ``[B, 0]``, and ``NAME_present``, bool ``[B]``."""

    @property
    def specs(self) -> dict[str, tf.TensorSpec]:
        """Features and presence."""
        return {
            self.name: tf.TensorSpec([None, None], tf.float32),
            self.name + PRESENT: tf.TensorSpec([None], tf.bool),
        }

    def read(self, inputs: Mapping[str, tf.Tensor], items: tf.Tensor) -> Read:
        """Features ``[B, width]``, zeros where they were left out."""
        values, present = inputs[self.name], inputs[self.name + PRESENT]
        # Whatever is computed of them waits for the checks, so that theirs are the messages.
        with tf.control_dependencies(self._checks(values, present, items)):
            missing = self.width - tf.shape(values)[1]
            values = tf.ensure_shape(tf.pad(values, [[0, 0], [0, missing]]), [None, self.width])
            present = tf.identity(present)
        return values, present, tf.reduce_all(tf.math.is_finite(values), axis=1) | ~present

    def _checks(self, values: tf.Tensor, present: tf.Tensor, items: tf.Tensor) -> list[Any]:
        shape, presences = tf.shape(values), tf.shape(present)[0]
        is_left_out = tf.equal(shape[1], 0)
        expected = f"[batch, {self.width}]"
        return [
            require(
                tf.equal(shape[1], self.width) | is_left_out,
                f"modality {self.name}: found features {{}}, expected {expected}, or [batch, 0] where no item has it.",
                shape,
            ),
            require(
                tf.equal(shape[0], items) & tf.equal(presences, items),
                f"modality {self.name}: found features {{}} and presence [{{}}], expected both for the same {{}} "
                "items.",
                shape,
                presences,
                items,
            ),
            require(
                ~(is_left_out & tf.reduce_any(present)),
                f"modality {self.name}: found features {{}} and presence true, expected {expected} then.",
                shape,
            ),
        ]


class SequenceInput(ModalityInput):
    """Token sequences: ``NAME``, float32 ``[B, T, width]``, and ``NAME_lengths``, int64 ``[B]``, 0 for none.

    ``T`` is any number, and what stands behind the length of an item is padding. Where the model looks at times there
    is ``NAME_times``, float32 ``[B, T]``, too.

    Args:
        name: Name of the input that has the tokens.
        width: Values of a token.
        takes_times: Whether the model looks at times.
    """

    def __init__(self, name: str, width: int, *, takes_times: bool) -> None:
        super().__init__(name, width)
        self._takes_times = takes_times

    @property
    def specs(self) -> dict[str, tf.TensorSpec]:
        """Tokens, lengths and maybe times."""
        specs = {
            self.name: tf.TensorSpec([None, None, self.width], tf.float32),
            self.name + LENGTHS: tf.TensorSpec([None], tf.int64),
        }
        return specs | ({self.name + TIMES: tf.TensorSpec([None, None], tf.float32)} if self._takes_times else {})

    def read(self, inputs: Mapping[str, tf.Tensor], items: tf.Tensor) -> Read:
        """Token sequences of at least one place."""
        values, lengths, times = inputs[self.name], inputs[self.name + LENGTHS], inputs.get(self.name + TIMES)
        with tf.control_dependencies(self._checks(values, lengths, times, items)):
            shape = tf.shape(values)
            padded = tf.maximum(shape[1], 1)
            values, lengths = tf.pad(values, [[0, 0], [0, padded - shape[1]], [0, 0]]), tf.identity(lengths)
            if times is None:
                times = relative_times(lengths, padded)
            else:
                times = tf.pad(times, [[0, 0], [0, padded - shape[1]]])
        sequences = TokenSequences(values, lengths, times)
        broken = ~(tf.reduce_all(tf.math.is_finite(values), axis=2) & tf.math.is_finite(times))
        return sequences, lengths > 0, ~tf.reduce_any(broken & sequences.mask, axis=1)

    def _checks(self, values: tf.Tensor, lengths: tf.Tensor, times: tf.Tensor | None, items: tf.Tensor) -> list[Any]:
        shape, counts = tf.shape(values), tf.shape(lengths)[0]
        within = tf.reduce_all((lengths >= 0) & (lengths <= tf.cast(shape[1], tf.int64)))
        checks = [
            require(
                tf.equal(shape[0], items) & tf.equal(counts, items),
                f"modality {self.name}: found tokens {{}} and lengths [{{}}], expected both for the same {{}} items.",
                shape,
                counts,
                items,
            ),
            require(
                within,
                f"modality {self.name}: found tokens {{}} and a length outside of 0 to their number.",
                shape,
            ),
        ]
        if times is not None:
            checks.append(
                require(
                    tf.reduce_all(tf.equal(tf.shape(times), shape[:2])),
                    f"modality {self.name}: found tokens {{}} and times {{}}, expected a time for every token.",
                    shape,
                    tf.shape(times),
                )
            )
        return checks
