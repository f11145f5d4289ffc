"""Keys of frames and sounds of which two neighbours, together, say which frame counts."""

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.synthesis.synthesis import directions


def draw_paired_keys(
    items: int, *, tokens: dict[str, int], width: int, random: np.random.Generator
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.int64]]]:
    """Draws keys such that a frame and the one before it have the keys of a sound and of the one before that.

    Frames show the four pairs ``a b``, ``a d``, ``c b`` and ``c d``, sounds ``a b`` and ``c d``: every key is seen
    twice, with two others, and heard once. Who looks at one token at a time, or at frames or sounds alone, cannot tell
    the frame with ``b`` behind ``a`` from that with ``b`` behind ``c``. Pairs begin at even places, anywhere; all other
    keys are of this item and token alone.

    Args:
        items: Number of items.
        tokens: Number of tokens for ``visual``, at least 8, and ``acoustic``, at least 4.
        width: Values of a key, which is on the sphere of radius ``sqrt(width)``.
        random: What they are drawn with.

    Returns:
        Keys ``[items, tokens, width]`` and the token with ``b`` behind ``a``, ``[items]``, by modality.
    """
    a, b, c, d = np.sqrt(width) * directions(random, (4, items, width))
    pairs = {"visual": [(a, b), (a, d), (c, b), (c, d)], "acoustic": [(a, b), (c, d)]}
    rows, keys, places = np.arange(items), {}, {}
    for name, number in tokens.items():
        keys[name] = np.sqrt(width) * directions(random, (items, number, width))
        begins = 2 * random.random((items, number // 2)).argsort(axis=1)
        for pair, begin in zip(pairs[name], begins.T, strict=False):
            for offset, key in enumerate(pair):
                keys[name][rows, begin + offset] = key
        places[name] = begins[:, 0] + 1
    return keys, places
