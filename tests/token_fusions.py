"""Fusions over time and small batches of token sequences, for the tests of them."""

import numpy as np
import tensorflow as tf

from tf_metammf.fusion.fusions import make_fusion
from tf_metammf.parts.parts import known_parts
from tf_metammf.records import TokenSequences

TOKEN_FUSIONS = [
    name for name, settings in known_parts("fusion").items() if settings.layer and settings.takes == "tokens"
]
WIDTHS = {"acoustic": 3, "visual é/2": 5}
LENGTHS = {"acoustic": [7, 1, 2, 5, 1], "visual é/2": [1, 4, 3, 2, 1]}
SMALL = {
    "queries": {"queries": 3, "token_units": 8, "heads": 2},
    "pyramid": {"token_units": 8, "reduction": 2},
    "crossmodal": {"token_units": 8, "heads": 2},
    "metammf_tokens": {"token_units": 8, "meta_units": 3, "rank": 2},
}
"""Options that make fusions as small as they can be with all of their parts."""
EXTRACTING = [*TOKEN_FUSIONS, "metammf_tokens by crossmodal", "metammf_tokens by pyramid"]
"""Fusions over time, MetaMMF with each of its extractors."""


def fusion_of(name: str, /, **options):
    """A fusion with random weights."""
    name, _, meta = name.partition(" by ")
    options = {"meta": meta, **options} if meta else options
    # A slope that float32 holds exactly: TensorFlow keeps slopes in float32 even where it computes in float64.
    fusion = make_fusion(name, **{"units": (6, 4), "negative_slope": 0.125, **SMALL[name], **options})
    fusion(tokens(), mask=presence())
    random = np.random.default_rng(3)
    fusion.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in fusion.weights])
    return fusion


def tokens(*, padded: int = 0, fill: float = 0.0, dtype: str = "float64") -> dict[str, TokenSequences]:
    """Sequences of five items at two rates, ``padded`` places longer than the longest, with ``fill`` in padding."""
    random = np.random.default_rng(1)
    found = {}
    for rate, (name, width) in enumerate(WIDTHS.items(), start=1):
        lengths = np.array(LENGTHS[name])
        values = random.normal(size=(len(lengths), max(lengths), width))
        times = np.tile(np.arange(max(lengths)) / rate, (len(lengths), 1))
        inside = np.arange(max(lengths)) < lengths[:, None]
        values, times = np.where(inside[:, :, None], values, fill), np.where(inside, times, 0)
        values = np.pad(values, [[0, 0], [0, padded], [0, 0]], constant_values=fill)
        found[name] = TokenSequences(
            tf.constant(values, dtype),
            tf.constant(lengths, tf.int64),
            tf.constant(np.pad(times, [[0, 0], [0, padded]]), tf.float32),
        )
    return found


def presence() -> dict[str, tf.Tensor]:
    """Items 1 and 4 lack the sound, item 4 the picture, too; what stands there is the only token of each."""
    return {
        "acoustic": tf.constant([True, False, True, True, False]),
        "visual é/2": tf.constant([False, True, True, True, False]),
    }


def rows(sequences: dict[str, TokenSequences], which) -> dict[str, TokenSequences]:
    return {name: one.rows(which) for name, one in sequences.items()}
