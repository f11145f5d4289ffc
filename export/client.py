"""Recommendations from an exported model: from a server, or from its folder in this process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.answers import (
    ModalityShares,
    NewItemPlaces,
    Recommendations,
    Scores,
    modality_shares,
    recommendations,
    require_valid,
)
from tf_metammf.export.connection import Connection
from tf_metammf.export.request_inputs import Arrays, feature_inputs, ids_of, rows_of_ids
from tf_metammf.export.retries import Retries
from tf_metammf.export.served_model import DEFAULT_MODEL, DEFAULT_TIMEOUT, ServedModel

_LARGEST_K = 2**31 - 1


class Client(ServedModel):
    """Recommendations, scores and embeddings of an exported model.

    The same methods give the same answers whether the model is on a TensorFlow Serving server or in this process. A
    client may be used by several threads at once. A folder is loaded by the constructor; to a server nothing is sent
    before the first request.

    Args:
        endpoint: ``http://HOST:PORT`` or ``https://HOST`` for a server's REST port, ``grpc://HOST:PORT`` or
            ``grpcs://HOST`` for its gRPC port, or a folder that ``tf-metammf export`` wrote: all versions, of which the
            newest is loaded, or one version.
        model: The name of the model on the server; a folder has only one. Defaults to ``"model"``.
        version: Number of the version to ask; None for the newest.
        label: Label of the version to ask, as the server's configuration has it; instead of ``version``.
        timeout: Seconds that a request to a server may take, retries included. Defaults to 10.
        retries: How requests to a server that is not there (``UNAVAILABLE``) are repeated. Defaults to 5 times with
            exponential back-off and jitter.
        connection: How a server is reached: certificates, token, headers and proxy.
        rows_per_request: Users or items in one request at most; longer lists become several requests. Defaults to
            64 for a server, the most that one with batching takes by the files of ``tf-metammf export``, and to all
            of them for a model in this process.
        least_tokens: Tokens that sequences are padded to at least, so that a server with batching can merge requests.
            Defaults to 0: to the longest of the call.

    Raises:
        InvalidInputError: An argument is not acceptable, or the folder cannot be loaded.
    """

    def __init__(
        self,
        endpoint: str | Path,
        model: str = DEFAULT_MODEL,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retries: Retries | None = None,
        connection: Connection | None = None,
        rows_per_request: int | None = None,
        least_tokens: int = 0,
    ) -> None:
        if rows_per_request is not None and rows_per_request < 1:
            raise InvalidInputError(f"rows_per_request is {rows_per_request}, expected at least 1.")
        super().__init__(
            endpoint, model, version=version, label=label, timeout=timeout, retries=retries, connection=connection
        )
        self._least_tokens = least_tokens
        self._rows = self._endpoint.rows_per_request if rows_per_request is None else rows_per_request

    def recommend(
        self,
        user_ids: Sequence[str],
        k: int = 10,
        *,
        exclude: Sequence[Sequence[str]] | None = None,
        exclude_seen: bool = True,
    ) -> list[Recommendations]:
        """The best items for every user.

        Args:
            user_ids: Raw user ids.
            k: Maximum number of items for each. Defaults to 10.
            exclude: Raw ids of items that a user must not get, one list a user; unknown ones do no harm.
            exclude_seen: Whether training items of the user are left out. Defaults to True.

        Returns:
            One entry a user, in their order.

        Raises:
            InvalidInputError: An argument is not acceptable.
            ServingError: The server did not answer, or not with recommendations.
        """
        if k < 1:
            raise InvalidInputError(f"k is {k}, expected at least 1.")
        users = ids_of("user_ids", user_ids)
        if exclude is not None and len(exclude) != len(users):
            raise InvalidInputError(
                f"exclude has {len(exclude)} lists for {len(users)} users; expected one for each user."
            )
        unwanted = rows_of_ids("exclude", exclude or [[] for _ in users])
        found: list[Recommendations] = []
        for rows in self._parts(len(users)):
            question: dict[str, ArrayLike] = {
                "user_id": users[rows],
                "k": min(k, _LARGEST_K),
                "exclude_item_id": unwanted[rows],
                "exclude_seen": exclude_seen,
            }
            found += recommendations(users[rows], self.predict("recommend", question))
        return found

    def recommend_for_history(self, histories: Sequence[Sequence[str]], k: int = 10) -> list[Recommendations]:
        """The best items for users known only by a list of liked items; those items are left out.

        Args:
            histories: Raw item ids, one list a user; unknown ones do no harm, repeated ones count once.
            k: Maximum number of items for each. Defaults to 10.

        Returns:
            One entry a history, in their order; ``query`` is the ids with commas between. A history without a
            known item gets the popular items.

        Raises:
            InvalidInputError: An argument is not acceptable.
            ServingError: The server did not answer, or not with recommendations.
        """
        if k < 1:
            raise InvalidInputError(f"k is {k}, expected at least 1.")
        rows_of_items = rows_of_ids("histories", histories)
        names = [", ".join(str(raw) for raw in history) for history in histories]
        found: list[Recommendations] = []
        for rows in self._parts(len(names)):
            question: dict[str, ArrayLike] = {"history_item_id": rows_of_items[rows], "k": min(k, _LARGEST_K)}
            found += recommendations(names[rows], self.predict("recommend_for_history", question))
        return found

    def score(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> Scores:
        """Scores of pairs.

        Args:
            user_ids: Raw user ids ``[B]``.
            item_ids: Raw item ids ``[B]``.

        Raises:
            InvalidInputError: The lists are not as long as each other.
            ServingError: The server did not answer, or not with scores.
        """
        users, items = ids_of("user_ids", user_ids), ids_of("item_ids", item_ids)
        if len(users) != len(items):
            raise InvalidInputError(
                f"there are {len(users)} user ids and {len(items)} item ids, expected the same number."
            )
        found = Scores(np.zeros(len(users), np.float32), np.zeros(len(users), bool), np.zeros(len(users), bool))
        for rows in self._parts(len(users)):
            answer = self.predict("score", {"user_id": users[rows], "item_id": items[rows]})
            found.scores[rows] = answer["score"]
            found.known_users[rows], found.known_items[rows] = answer["known_user"], answer["known_item"]
        return found

    def explain_items(self, item_ids: Sequence[str]) -> list[ModalityShares]:
        """What the fused vectors of items of the catalogue come from.

        Args:
            item_ids: Raw item ids.

        Returns:
            One entry an item, in their order.

        Raises:
            InvalidInputError: The model has no fusion.
            ServingError: The server did not answer, or not with shares.
        """
        items = ids_of("item_ids", item_ids)
        found: list[ModalityShares] = []
        for rows in self._parts(len(items)):
            answer = self.predict("explain_items", {"item_id": items[rows]})
            found += modality_shares(items[rows], answer["known"], answer)
        return found

    def explain_new_items(
        self, features: Mapping[str, Any], *, presence: Mapping[str, ArrayLike] | None = None
    ) -> list[ModalityShares]:
        """What the fused vectors of new items come from.

        Args:
            features: As in :meth:`encode_items`.
            presence: As in :meth:`encode_items`.

        Raises:
            InvalidInputError: As in :meth:`encode_items`.
            ServingError: The server did not answer, or not with shares.
        """
        inputs = self._feature_inputs("explain_new_items", features, presence)
        found: list[ModalityShares] = []
        for rows in self._parts(_rows(inputs)):
            answer = self.predict("explain_new_items", _part(inputs, rows))
            require_valid(answer["valid"], first=rows.start)
            names = [str(number) for number in range(rows.start, rows.stop)]
            found += modality_shares(names, answer["valid"], answer)
        return found

    def similar_items(self, item_ids: Sequence[str]) -> list[Recommendations]:
        """The most similar items of every item, as many as the export fixed.

        Args:
            item_ids: Raw item ids.

        Returns:
            One entry an item, in their order.

        Raises:
            ServingError: The server did not answer, or not with items.
        """
        items = ids_of("item_ids", item_ids)
        found: list[Recommendations] = []
        for rows in self._parts(len(items)):
            found += recommendations(items[rows], self.predict("similar_items", {"item_id": items[rows]}))
        return found

    def encode_items(
        self, features: Mapping[str, Any], *, presence: Mapping[str, ArrayLike] | None = None
    ) -> NDArray[np.float32]:
        """Embeddings of new items.

        Args:
            features: By modality, raw as in the record set, float ``[B, width]``; token sequences as
                :class:`tf_metammf.records.TokenArrays` or a list of ``[T, width]``. One left out is absent.
            presence: bool ``[B]`` by modality; one left out is present wherever it has features.

        Returns:
            float32 ``[B, d]``.

        Raises:
            InvalidInputError: A modality is unknown, a shape is wrong, or a present feature is not finite.
            ServingError: The server did not answer, or not with embeddings.
        """
        inputs = self._feature_inputs("encode_items", features, presence)
        _, width = self.signature("encode_items").outputs["embedding"].shape or (None, None)
        found = [np.zeros((0, width or 0), np.float32)]
        for rows in self._parts(_rows(inputs)):
            answer = self.predict("encode_items", _part(inputs, rows))
            require_valid(answer["valid"], first=rows.start)
            found.append(answer["embedding"])
        return np.concatenate(found)

    def place_of_new_items(
        self,
        user_ids: Sequence[str],
        features: Mapping[str, Any],
        *,
        presence: Mapping[str, ArrayLike] | None = None,
    ) -> NewItemPlaces:
        """Scores of new items, and the places they would take in the users' rankings.

        Args:
            user_ids: Raw user ids ``[U]``.
            features: Of the items, as in :meth:`encode_items`.
            presence: Of the items, as in :meth:`encode_items`.

        Raises:
            InvalidInputError: As in :meth:`encode_items`.
            ServingError: The server did not answer, or not with places.
        """
        users = ids_of("user_ids", user_ids)
        inputs = self._feature_inputs("recommend_new_items", features, presence)
        shape = (len(users), _rows(inputs))
        places = NewItemPlaces(np.zeros(len(users), bool), np.zeros(shape, np.float32), np.zeros(shape, np.int32))
        for of_users in self._parts(shape[0]):
            for rows in self._parts(shape[1]):
                question: dict[str, ArrayLike] = {"user_id": users[of_users], **_part(inputs, rows)}
                answer = self.predict("recommend_new_items", question)
                require_valid(answer["valid"], first=rows.start)
                places.known[of_users] = answer["known"]
                places.scores[of_users, rows] = answer["score"]
                places.ranks[of_users, rows] = answer["rank"]
        if not shape[1]:
            places.known[:] = [found.known for found in self.recommend(users, 1)]
        return places

    def _feature_inputs(self, signature: str, features: Mapping[str, Any], presence: Any) -> Arrays:
        return feature_inputs(self.signature(signature), features, presence, least_tokens=self._least_tokens)

    def _parts(self, rows: int) -> list[slice]:
        step = self._rows or max(1, rows)
        return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _rows(inputs: Arrays) -> int:
    return len(next(iter(inputs.values())))


def _part(inputs: Arrays, rows: slice) -> Arrays:
    return {name: values[rows] for name, values in inputs.items()}
