"""What the page shows of items: one card each, as JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.explorer.asked_model import AskedModel
from tf_metammf.explorer.item_table import ItemTable
from tf_metammf.explorer.media import Media

LONGEST_HISTORY = 5000
"""Videos of a user that are searched for the nearest one."""


class Cards:
    """Makes cards of items.

    Args:
        table: Titles and kinds.
        media: Pictures and clips.
    """

    def __init__(self, table: ItemTable, media: Media) -> None:
        self.table = table
        self.media = media

    def of(
        self,
        model: AskedModel,
        item_ids: Sequence[str],
        *,
        scores: Sequence[float] | NDArray[np.floating] | None = None,
    ) -> list[dict[str, Any]]:
        """One card an item: id, title, kinds, media, popularity, whether it is cold, shares of modalities and score."""
        catalogue = model.catalogue
        numbers = catalogue.numbers_of(item_ids)
        shares = self._shares(model, item_ids, numbers)
        cards = []
        for position, (raw, number) in enumerate(zip(item_ids, numbers.tolist(), strict=True)):
            card: dict[str, Any] = {
                "id": raw,
                "title": self.table.titles.get(raw, ""),
                "kinds": {name: values[raw] for name, values in self.table.columns.items() if raw in values},
                "media": self._media(raw),
                "known": number >= 0,
                "shares": shares[position],
            }
            if number >= 0:
                card |= {
                    "number": number,
                    "interactions": int(catalogue.popularity[number]),
                    "popularity_rank": int(catalogue.popularity_ranks[number]),
                    "cold": bool(catalogue.is_cold[number]),
                }
            if scores is not None:
                card["score"] = number_or_none(scores[position])
            cards.append(card)
        return cards

    def add_reasons(self, model: AskedModel, cards: list[dict[str, Any]], history: NDArray[np.int64]) -> None:
        """Adds to each card ``because``: the item of a history whose embedding is nearest by cosine."""
        directions = model.catalogue.item_directions
        history = history[:LONGEST_HISTORY]
        numbers = np.array([card.get("number", -1) for card in cards], np.int64)
        if directions is None or not len(history) or not len(numbers):
            return
        cosines = directions[np.maximum(numbers, 0)] @ directions[history].T
        # An item is no reason for itself.
        cosines[numbers[:, None] == history] = -np.inf
        for card, row, number in zip(cards, cosines, numbers, strict=True):
            nearest = int(np.argmax(row))
            if number >= 0 and np.isfinite(row[nearest]):
                raw = model.catalogue.item_ids[history[nearest]]
                card["because"] = {
                    "id": raw,
                    "title": self.table.titles.get(raw, ""),
                    "media": self._media(raw),
                    "cosine": number_or_none(row[nearest]),
                }

    def _shares(self, model: AskedModel, item_ids: Sequence[str], numbers: NDArray[np.int64]) -> list[dict[str, float]]:
        if not model.modalities:
            return [{} for _ in item_ids]
        known = model.catalogue.modality_shares
        if known is not None:
            return [
                dict(zip(model.modalities, map(float, known[number]), strict=True)) if number >= 0 else {}
                for number in numbers
            ]
        return [found.shares for found in model.client.explain_items(list(item_ids))] if item_ids else []

    def _media(self, raw: str) -> dict[str, Any]:
        media = self.media.of(raw)
        return {
            "picture": media.picture is not None,
            "clip": media.clip is not None,
            "frames": len(media.frames),
        }


def number_or_none(value: Any) -> float | None:
    """A number as JSON has it: None for what is not finite."""
    number = float(value)
    return number if np.isfinite(number) else None
