"""Where new videos, or changed ones, would stand: nothing is retrained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer.asked_model import AskedModel

MOST_VARIANTS = 12
NEIGHBOURS = 12


@dataclass(frozen=True)
class Variant:
    """A video: features by modality; one that is left out is absent."""

    name: str
    features: Mapping[str, NDArray[np.float32]]


class RecordedFeatures:
    """Features of the videos of a record set; of token sequences the means.

    Args:
        records: The record set; None where there is none.
    """

    def __init__(self, records: str | Path | None) -> None:
        self._lookup: Any = None
        self._numbers: dict[str, int] = {}
        if records is not None:
            from tf_metammf.records.item_lookup import ItemLookup
            from tf_metammf.records.record_set import open_record_set

            record_set = open_record_set(records)
            self._lookup = ItemLookup(record_set, form="vectors")
            self._numbers = {raw: number for number, raw in enumerate(record_set.item_ids)}

    @property
    def widths(self) -> dict[str, int]:
        """Feature width by modality; none without a record set."""
        return {} if self._lookup is None else dict(self._lookup.widths)

    def has(self, item_id: str) -> bool:
        """Whether there are features of an item."""
        return item_id in self._numbers

    def of(self, item_id: str) -> dict[str, NDArray[np.float32]]:
        """Features ``[width]`` by modality, without those that the item lacks.

        Raises:
            InvalidInputError: The record set does not have the item, or there is none.
        """
        if item_id not in self._numbers:
            raise InvalidInputError(
                "The features of this video are not here. Start tf-metammf explore with --records, and the record "
                "set that has the video."
            )
        found = self._lookup.lookup(np.array([self._numbers[item_id]], np.int64))
        return {
            name: values.numpy()[0]
            for name, values in found["features"].items()
            if bool(found["presence"][name].numpy()[0])
        }


def place(model: AskedModel, variants: Sequence[Variant], user_ids: Sequence[str]) -> dict[str, Any]:
    """Places of videos for users, their nearest items, and what their fused vectors come from.

    Args:
        model: The model.
        variants: The videos, at most :data:`MOST_VARIANTS`.
        user_ids: Raw user ids; may be empty.

    Returns:
        ``users``: for each its id, whether it is known, and ranks and scores of all variants; ``variants``: for each
        its name, shares of modalities and nearest items, id and cosine.

    Raises:
        InvalidInputError: The model takes no new videos, or the features do not fit it.
    """
    if not 1 <= len(variants) <= MOST_VARIANTS:
        raise InvalidInputError(f"There are {len(variants)} videos, expected 1 to {MOST_VARIANTS}.")
    features, presence = _arrays(variants)
    shares = model.client.explain_new_items(features, presence=presence)
    embeddings = model.client.encode_items(features, presence=presence)
    users: list[dict[str, Any]] = []
    if user_ids:
        found = model.client.place_of_new_items(list(user_ids), features, presence=presence)
        for row, raw in enumerate(user_ids):
            users.append(
                {
                    "id": raw,
                    "known": bool(found.known[row]),
                    "ranks": found.ranks[row].tolist(),
                    "scores": [float(score) for score in found.scores[row]],
                }
            )
    neighbours = _neighbours(model, embeddings)
    return {
        "users": users,
        "variants": [
            {"name": variant.name, "shares": share.shares, "neighbours": near}
            for variant, share, near in zip(variants, shares, neighbours, strict=True)
        ],
    }


def _arrays(variants: Sequence[Variant]) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.bool_]]]:
    names = sorted({name for variant in variants for name in variant.features})
    if not names:
        raise InvalidInputError("There are no features. Give at least one modality of the video.")
    features, presence = {}, {}
    for name in names:
        rows = [variant.features.get(name) for variant in variants]
        widths = {len(row) for row in rows if row is not None}
        if len(widths) > 1:
            raise InvalidInputError(f'modality "{name}" has features of {min(widths)} and of {max(widths)} values.')
        nothing = np.zeros(widths.pop(), np.float32)
        features[name] = np.stack([nothing if row is None else row for row in rows])
        presence[name] = np.array([row is not None for row in rows])
    return features, presence


def _neighbours(model: AskedModel, embeddings: NDArray[np.float32]) -> list[list[tuple[str, float]]]:
    directions = model.catalogue.item_directions
    if directions is None:
        return [[] for _ in embeddings]
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = (embeddings / np.maximum(lengths, 1e-12)) @ directions.T
    ids = model.catalogue.item_ids
    return [[(ids[item], float(row[item])) for item in _largest(row, NEIGHBOURS)] for row in cosines]


def _largest(values: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Positions of the largest values, the largest first, without sorting all of them."""
    found = np.argpartition(-values, min(count, len(values)) - 1)[:count]
    return found[np.argsort(-values[found], kind="stable")]
