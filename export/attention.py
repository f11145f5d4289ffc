"""Which moments of the items a fusion over time attends to, beside the graph of a version."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.features.feature_source import items_at_once
from tf_metammf.fusion.item_attention import TokenWeights, attends_to_tokens, item_attention

FILE = Path("assets.extra") / "attention.npz"

MOST_TOKENS = 2**27
"""Tokens of all items from which on attention is not written: 8 bytes each."""


@dataclass(frozen=True)
class Attention:
    """Attention to the tokens of all items, by modality; the tokens of an item come after those of the one before.

    Attributes:
        starts: int64 ``[items + 1]`` by modality: where the tokens of each item start.
        times: float32 ``[tokens]`` by modality: when each token begins, in seconds.
        weights: float32 ``[tokens]`` by modality: 1 in sum over all tokens of an item.
    """

    starts: dict[str, NDArray[np.int64]]
    times: dict[str, NDArray[np.float32]]
    weights: dict[str, NDArray[np.float32]]

    def of(self, item: int) -> dict[str, TokenWeights]:
        """Of one item, by dense id; modalities that it lacks are left out."""
        found = {}
        for name, starts in self.starts.items():
            tokens = slice(int(starts[item]), int(starts[item + 1]))
            if tokens.stop > tokens.start:
                found[name] = TokenWeights(self.times[name][tokens], self.weights[name][tokens])
        return found


def catalogue_attention(model: Any) -> Attention | None:
    """Attention of a model to all of its items.

    Args:
        model: A :class:`tf_metammf.model.MetaMMF`.

    Returns:
        None where the fusion has no attention to tokens, or there are more than :data:`MOST_TOKENS`.
    """
    if not attends_to_tokens(model.item_tower.fusion):
        return None
    names = sorted(model.item_tower.fused_widths(model.item_features.widths))
    lengths: dict[str, list[int]] = {name: [] for name in names}
    parts: dict[str, list[TokenWeights]] = {name: [] for name in names}
    tokens = 0
    for features, presence in model.item_features.blocks(items_at_once(model.item_features)):
        for item in item_attention(model, features, presence):
            for name in names:
                found = item.get(name)
                lengths[name].append(0 if found is None else len(found.times))
                if found is not None:
                    parts[name].append(found)
                    tokens += len(found.times)
        if tokens > MOST_TOKENS:
            return None
    none = np.zeros(0, np.float32)
    return Attention(
        {name: np.concatenate([[0], np.cumsum(lengths[name])]).astype(np.int64) for name in names},
        {name: np.concatenate([none, *(part.times for part in parts[name])]) for name in names},
        {name: np.concatenate([none, *(part.weights for part in parts[name])]) for name in names},
    )


def write_attention(version: Path, attention: Attention) -> None:
    """Writes attention into a version directory, 8 bytes a token, which no server reads."""
    path = version / FILE
    path.parent.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {"names": np.array(list(attention.starts))}
    for number, name in enumerate(attention.starts):
        arrays |= {
            f"starts_{number}": attention.starts[name],
            f"times_{number}": attention.times[name],
            f"weights_{number}": attention.weights[name],
        }
    np.savez(path, **arrays)


def read_attention(version: Path) -> Attention | None:
    """Reads the attention of a version directory; None where it has none.

    Raises:
        ValueError: The file is damaged.
    """
    path = version / FILE
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        names = [str(name) for name in arrays["names"]]
        starts, times, weights = (
            {name: arrays[f"{part}_{number}"] for number, name in enumerate(names)}
            for part in ("starts", "times", "weights")
        )
    return Attention(starts, times, weights)
