"""Requests of a load test: their kinds, how often each is sent, and the users and items that they ask about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.export.client import Client
from tf_metammf.export.modality_inputs import input_name
from tf_metammf.export.reports import has_report, read_report
from tf_metammf.export.versions import newest_version
from tf_metammf.records.id_files import read_ids

PLACES = 10
"""Items that a request asks for."""

USERS_OF_A_BATCH = 16
ITEMS = 4
"""Items of a history, of a request for similar items, and of one with new items."""

SHARES = {
    "recommend": 0.45,
    "recommend_batch": 0.1,
    "serving_default": 0.15,
    "history": 0.1,
    "similar": 0.1,
    "new_items": 0.1,
}
"""Kinds of requests, and the share of each where a model has all of them."""

_SIGNATURES = {
    "recommend": "recommend",
    "recommend_batch": "recommend",
    "serving_default": "serving_default",
    "history": "recommend_for_history",
    "similar": "similar_items",
    "new_items": "recommend_new_items",
}


@dataclass(frozen=True)
class RequestMix:
    """Which requests are sent, and whom and what they ask about.

    The kinds are ``recommend`` (one user), ``recommend_batch`` (16 users), ``serving_default`` (one user, by that
    signature), ``history`` (an unknown user with four items), ``similar`` (four items) and ``new_items`` (places of
    four new items for two users). Users and items are drawn at random, features of new items from a normal
    distribution.

    Attributes:
        user_ids: Raw user ids.
        item_ids: Raw item ids; without any, ``history`` and ``similar`` are left out.
        widths: Width by modality; without any, ``new_items`` is left out.
        kinds: Kinds of requests; empty for all that the model answers.

    Raises:
        InvalidInputError: A kind is unknown, there are no users, or a kind needs items or widths and there are none.
    """

    user_ids: Sequence[str]
    item_ids: Sequence[str] = ()
    widths: Mapping[str, int] = field(default_factory=dict)
    kinds: Sequence[str] = ()

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in SHARES:
                raise unknown_name("kind of request", kind, SHARES)
        if not self.user_ids:
            raise InvalidInputError("user_ids is empty; expected at least one user to ask for.")
        for kind in self.kinds:
            if kind not in self._possible():
                missing = "widths" if kind == "new_items" else "item_ids"
                raise InvalidInputError(f'{missing} is empty, but requests of the kind "{kind}" are made of them.')

    @classmethod
    def of_export(cls, folder: Path, *, kinds: Sequence[str] = ()) -> "RequestMix":
        """Requests about the users and items of an export, read from its files.

        Args:
            folder: A folder of versions, of which the newest is read, or one version.
            kinds: Kinds of requests; empty for all that the model answers.

        Raises:
            InvalidInputError: There is no export, or its files cannot be read.
        """
        version = newest_version(folder)
        users, items = (read_ids(version / "assets" / name) for name in ("users.txt", "items.txt"))
        card = read_report(version, "model_card") if has_report(version, "model_card") else {}
        return cls(users, items, card.get("data", {}).get("modalities", {}), kinds)

    def shares_for(self, client: Client) -> dict[str, float]:
        """The kinds that are sent to a model, with shares that add up to 1.

        Raises:
            InvalidInputError: The model lacks the signature of a kind that was asked for.
            ServingError: The server did not answer.
        """
        known = client.signatures()
        for kind in self.kinds:
            client.signature(_SIGNATURES[kind])  # whose error names the signatures that there are
        shares = {
            kind: share
            for kind, share in SHARES.items()
            if kind in (self.kinds or self._possible()) and _SIGNATURES[kind] in known
        }
        total = sum(shares.values())
        return {kind: share / total for kind, share in shares.items()}

    def senders(self, client: Client, random: np.random.Generator) -> Mapping[str, Callable[[], Any]]:
        """A function by kind that draws a request and sends it.

        Args:
            client: Whom it is sent to.
            random: Draws users, items and features; used by one thread.
        """

        def users(count: int) -> list[str]:
            return _drawn(self.user_ids, count, random)

        def items(count: int) -> list[str]:
            return _drawn(self.item_ids, count, random)

        def features() -> dict[str, NDArray[np.float64]]:
            inputs = client.signature("recommend_new_items").inputs
            known = {name: width for name, width in self.widths.items() if input_name(name) in inputs}
            return {name: random.normal(size=(ITEMS, width)) for name, width in known.items()}

        return {
            "recommend": lambda: client.recommend(users(1), PLACES),
            "recommend_batch": lambda: client.recommend(users(USERS_OF_A_BATCH), PLACES),
            "serving_default": lambda: client.predict("serving_default", {"user_id": users(1)}),
            "history": lambda: client.recommend_for_history([items(ITEMS)], PLACES),
            "similar": lambda: client.similar_items(items(ITEMS)),
            "new_items": lambda: client.place_of_new_items(users(2), features()),
        }

    def _possible(self) -> set[str]:
        """The kinds that there are ids and widths for."""
        without_items = set(SHARES) if self.item_ids else set(SHARES) - {"history", "similar"}
        return without_items if self.widths else without_items - {"new_items"}


def _drawn(ids: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    return [ids[int(place)] for place in random.integers(0, len(ids), count)]
