"""Answers of an exported model, whoever gave them: a model in this process or a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.modality_inputs import ATTENTION, TIMES, input_name

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Recommendations:
    """Items for one user, or similar to one item, best first.

    Attributes:
        query: The raw id of the user or item.
        known: Whether the model knows it. An unknown user gets the popular items, an unknown item none.
        item_ids: Raw item ids; fewer than asked for where no more are left.
        scores: float32, one an item: dot product or, for similar items, cosine; for an unknown
            user the share of the training interactions.
    """

    query: str
    known: bool
    item_ids: list[str]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class NewItemPlaces:
    """Where new items stand for users.

    Attributes:
        known: bool ``[U]``: which users the model knows.
        scores: float32 ``[U, B]``; 0 for unknown users.
        ranks: int32 ``[U, B]``: the place the item would take in the user's ranking of the
            unseen catalogue, from 1.
    """

    known: NDArray[np.bool_]
    scores: NDArray[np.float32]
    ranks: NDArray[np.int32]


@dataclass(frozen=True)
class Scores:
    """Scores of pairs of a user and an item.

    Attributes:
        scores: float32 ``[B]``; for an unknown user the item's share of the training interactions, for an
            unknown item -inf.
        known_users: bool ``[B]``: where the model knows the user.
        known_items: bool ``[B]``: where the model knows the item.
    """

    scores: NDArray[np.float32]
    known_users: NDArray[np.bool_]
    known_items: NDArray[np.bool_]


class Moment(NamedTuple):
    """A token of an item that has weight.

    Attributes:
        seconds: When it begins.
        weight: Above 0; 1 in sum over all moments of the item.
    """

    seconds: float
    weight: float


@dataclass(frozen=True)
class ModalityShares:
    """What the fused vector of an item comes from.

    Attributes:
        query: The raw id of the item, or its number among the new ones.
        known: Whether the model knows the item; of one that it does not know there are no shares.
        shares: Share by modality: 0 for absent ones, 1 in sum.
        attention: By modality the moments that a fusion over time attends to, in their order; empty for other fusions.
    """

    query: str
    known: bool
    shares: dict[str, float]
    attention: dict[str, list[Moment]] = field(default_factory=dict)


def recommendations(ids: Sequence[str], found: Outputs) -> list[Recommendations]:
    """One entry an id, of the outputs of a signature that returns items."""
    return [
        Recommendations(str(raw), bool(known), [item.decode() for item in items if item], scores[items != b""])
        for raw, known, items, scores in zip(ids, found["known"], found["item_id"], found["score"], strict=True)
    ]


def modality_shares(ids: Sequence[str], known: NDArray[np.bool_], found: Outputs) -> list[ModalityShares]:
    """One entry an id, of the outputs of a signature that returns shares."""
    answers = []
    for row, (raw, is_known) in enumerate(zip(ids, known, strict=True)):
        names = [name.decode() for name in found["modality"][row]] if is_known else []
        shares = {name: float(share) for name, share in zip(names, found["share"][row], strict=False)}
        answers.append(ModalityShares(str(raw), bool(is_known), shares, _moments(names, found, row)))
    return answers


def _moments(names: Sequence[str], found: Outputs, row: int) -> dict[str, list[Moment]]:
    """Moments with weight by modality, of outputs that have attention."""
    moments = {}
    for name in names:
        weights, times = (found.get(input_name(name) + part) for part in (ATTENTION, TIMES))
        if weights is not None and times is not None and (weights[row] > 0).any():
            seen = zip(times[row], weights[row], strict=True)
            moments[name] = [Moment(float(time), float(weight)) for time, weight in seen if weight > 0]
    return moments


def require_valid(valid: NDArray[np.bool_], *, first: int = 0) -> None:
    """Refuses new items whose features are not all finite.

    Args:
        valid: bool ``[B]``, as a signature returns it.
        first: Number of the first of them among all new items.

    Raises:
        InvalidInputError: One is not valid; it is named by its number.
    """
    if not valid.all():
        raise InvalidInputError(
            f"new item {first + int(np.argmin(valid))} has NaN or infinite features. Fix them, or mark the "
            "modality as absent for this item."
        )
