"""Which moments of an item a fusion over time attends to."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.token_features import ModalityFeatures
from tf_metammf.records.token_sequences import TokenSequences


class TokenWeights(NamedTuple):
    """How much the tokens of one modality of an item count.

    Attributes:
        times: float32 ``[T]``: when each token begins, in seconds.
        weights: float32 ``[T]``: not negative, 1 in sum over all modalities of the item.
    """

    times: NDArray[np.float32]
    weights: NDArray[np.float32]


def attends_to_tokens(fusion: Any) -> bool:
    """Whether a fusion takes tokens and says how it attends to them."""
    takes_tokens = getattr(fusion, "takes", "vectors") == "tokens" and hasattr(fusion, "attention")
    return takes_tokens and bool(getattr(fusion, "attends", True))


def token_attention(
    model: Any, features: Mapping[str, ModalityFeatures], presence: Mapping[str, Any]
) -> dict[str, tuple[TokenSequences, tf.Tensor]]:
    """Tokens as the fusion gets them, and attention to them, float32 ``[B, T]``, by modality; also inside of a graph.

    Args:
        model: As in :func:`item_attention`.
        features: As in :func:`item_attention`.
        presence: As in :func:`item_attention`.
    """
    tower = model.item_tower
    complete, mask = tower.fusion_inputs(features, presence)
    return {name: (complete[name], weights) for name, weights in tower.fusion.attention(complete, mask).items()}


def item_attention(
    model: Any, features: Mapping[str, ModalityFeatures], presence: Mapping[str, Any]
) -> list[dict[str, TokenWeights]]:
    """Attention of the fusion of a model to the tokens of items.

    What attention looks at is not all that decides: see the shares of modalities, which come from leaving one out
    (:func:`tf_metammf.fusion.modality_shares.modality_shares`).

    Args:
        model: A :class:`tf_metammf.model.MetaMMF` whose fusion has attention: ``queries``, ``crossmodal`` or
            ``metammf_tokens``.
        features: Token sequences of ``n`` items, or vectors ``[n, width]``, by modality, as
            ``model.item_features.lookup(items)`` gives them for items of a table.
        presence: bool ``[n]`` by modality.

    Returns:
        For every item the weights of its tokens by modality; modalities that it lacks are left out.

    Raises:
        InvalidInputError: The fusion has no attention.

    Examples:
        >>> import numpy as np
        >>> from tf_metammf import MetaMMF, QueryFusion
        >>> from tf_metammf.fusion.item_attention import item_attention
        >>> from tf_metammf.records import TokenArrays
        >>> frames = TokenArrays.of([np.eye(3), np.ones((2, 3))], times=[[0.0, 0.5, 1.0], [0.0, 0.5]])
        >>> fusion = QueryFusion((4,), token_units=8)
        >>> model = MetaMMF(2, {"visual": frames}, "in_batch_softmax", item_frequency=[1, 1], fusion=fusion)
        >>> _, second = item_attention(model, *model.item_features.lookup([0, 1]))
        >>> second["visual"].times, round(float(second["visual"].weights.sum()), 4)
        (array([0. , 0.5], dtype=float32), 1.0)
    """
    fusion = model.item_tower.fusion
    if not attends_to_tokens(fusion):
        raise InvalidInputError(
            f"the fusion is {type(fusion).__name__}, which attends to no tokens. Use queries, crossmodal or "
            "metammf_tokens."
        )
    shown = token_attention(model, features, presence)
    found = {name: weights.numpy() for name, (_, weights) in shown.items()}
    lengths = {name: tokens.lengths.numpy() for name, (tokens, _) in shown.items()}
    times = {name: tokens.times.numpy() for name, (tokens, _) in shown.items()}
    present = {name: np.asarray(presence[name]) for name in found}
    items = len(next(iter(lengths.values())))
    return [
        {
            name: TokenWeights(times[name][item, : lengths[name][item]], weights[item, : lengths[name][item]])
            for name, weights in found.items()
            if present[name][item]
        }
        for item in range(items)
    ]
