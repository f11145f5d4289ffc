"""Attention to the moments of items, as signatures return it."""

from collections.abc import Mapping

import tensorflow as tf

from tf_metammf.export.attention import Attention
from tf_metammf.export.modality_inputs import ATTENTION, TIMES, input_names


class ServedAttention(tf.Module):
    """Attention to the tokens of all items of a catalogue, 8 bytes a token.

    Args:
        attention: Of all items.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self._names = input_names(attention.starts)
        self._starts, self._times, self._weights = (
            {self._names[name]: tf.Variable(values, trainable=False, name=part) for name, values in by_modality.items()}
            for part, by_modality in (
                ("attention_starts", attention.starts),
                ("attention_times", attention.times),
                ("attention_weights", attention.weights),
            )
        )

    def of(self, items: tf.Tensor) -> dict[str, tf.Tensor]:
        """Outputs of items.

        Args:
            items: Dense item ids, int64 ``[B]``, -1 for unknown ones.

        Returns:
            ``NAME_attention`` and ``NAME_times``, float32 ``[B, T]``, of every modality; zeros behind the last token.
        """
        found = {}
        for name in self._names.values():
            starts = self._starts[name].read_value()
            first = tf.gather(starts, tf.maximum(items, 0))
            counts = tf.where(items >= 0, tf.gather(starts, tf.maximum(items, 0) + 1) - first, 0)
            places = tf.range(tf.reduce_max(tf.concat([counts, [0]], axis=0)))
            there = places < counts[:, tf.newaxis]
            tokens = tf.where(there, first[:, tf.newaxis] + places, tf.zeros_like(places))
            for part, values in ((ATTENTION, self._weights[name]), (TIMES, self._times[name])):
                found[name + part] = tf.where(there, tf.gather(values.read_value(), tokens), 0.0)
        return found


def attention_outputs(found: Mapping[str, tuple[tf.Tensor, tf.Tensor]], valid: tf.Tensor) -> dict[str, tf.Tensor]:
    """The same outputs of new items.

    Args:
        found: Times and weights ``[B, T]`` by modality.
        valid: bool ``[B]``; others have zeros.
    """
    outputs = {}
    for name, (times, weights) in found.items():
        shown = valid[:, tf.newaxis] & (weights > 0)
        served = input_names([name])[name]
        outputs[served + ATTENTION] = tf.where(shown, weights, 0.0)
        outputs[served + TIMES] = tf.where(shown, tf.cast(times, tf.float32), 0.0)
    return outputs
