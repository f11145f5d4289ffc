"""Recommendations out of a SavedModel alone."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.export.answers import (
    ModalityShares,
    NewItemPlaces,
    Recommendations,
    Scores,
    modality_shares,
    recommendations,
    require_valid,
)
from tf_metammf.export.modality_inputs import PRESENT, input_name
from tf_metammf.export.versions import newest_version
from tf_metammf.records.tensorflow_paths import taken_literally


class Recommender:
    """Asks an exported model, in this process, without the code that trained it.

    Args:
        folder: A folder of versions, of which the newest is taken, or one version.

    Attributes:
        folder: The version that is asked.

    Raises:
        InvalidInputError: There is no export, or it cannot be loaded.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = newest_version(Path(folder))
        try:
            with taken_literally(self.folder) as literal:
                self._loaded = tf.saved_model.load(str(literal))
        except (OSError, ValueError, IndexError, KeyError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())
            raise InvalidInputError(f"{self.folder}: cannot be loaded ({reason}). Export the model again.") from error
        self.signatures: Mapping[str, Any] = self._loaded.signatures

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
        """
        if k < 1:
            raise InvalidInputError(f"k is {k}, expected at least 1.")
        users = _ids("user_ids", user_ids)
        if exclude is not None and len(exclude) != len(user_ids):
            raise InvalidInputError(
                f"exclude has {len(exclude)} lists for {len(user_ids)} users; expected one for each user."
            )
        found = self._call(
            "recommend",
            user_id=users,
            # Exports cap k by their catalogue, which is never larger than an int32.
            k=tf.constant(min(k, tf.int32.max), tf.int32),
            exclude_item_id=_rows_of_ids(exclude or [[] for _ in user_ids]),
            exclude_seen=tf.constant(exclude_seen),
        )
        return recommendations(user_ids, found)

    def recommend_for_history(self, histories: Sequence[Sequence[str]], k: int = 10) -> list[Recommendations]:
        """The best items for users who are nothing but the items they liked; those are left out.

        Args:
            histories: Raw item ids, one list a user; unknown ones do no harm, repeated ones count once.
            k: Maximum number of items for each. Defaults to 10.

        Returns:
            One entry a history, in their order; ``query`` is the ids with commas between. A history without a
            known item gets the popular items.

        Raises:
            InvalidInputError: An argument is not acceptable.
        """
        if k < 1:
            raise InvalidInputError(f"k is {k}, expected at least 1.")
        for history in histories:
            _ids("histories", history)
        found = self._call(
            "recommend_for_history",
            history_item_id=_rows_of_ids(histories),
            k=tf.constant(min(k, tf.int32.max), tf.int32),
        )
        return recommendations([", ".join(str(raw) for raw in history) for history in histories], found)

    def score(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> Scores:
        """Scores of pairs.

        Args:
            user_ids: Raw user ids ``[B]``.
            item_ids: Raw item ids ``[B]``.

        Raises:
            InvalidInputError: The lists are not as long as each other.
        """
        found = self._call("score", user_id=_ids("user_ids", user_ids), item_id=_ids("item_ids", item_ids))
        return Scores(found["score"], found["known_user"], found["known_item"])

    def explain_items(self, item_ids: Sequence[str]) -> list[ModalityShares]:
        """What the fused vectors of items of the catalogue come from.

        Args:
            item_ids: Raw item ids.

        Returns:
            One entry an item, in their order.

        Raises:
            InvalidInputError: The model has no fusion.
        """
        found = self._call("explain_items", item_id=_ids("item_ids", item_ids))
        return modality_shares(item_ids, found["known"], found)

    def explain_new_items(
        self, features: Mapping[str, ArrayLike], *, presence: Mapping[str, ArrayLike] | None = None
    ) -> list[ModalityShares]:
        """What the fused vectors of new items come from.

        Args:
            features: As in :meth:`encode_items`.
            presence: As in :meth:`encode_items`.

        Raises:
            InvalidInputError: As in :meth:`encode_items`.
        """
        found = self._with_features("explain_new_items", features, presence)
        numbers = [str(number) for number in range(len(found["valid"]))]
        return modality_shares(numbers, found["valid"], found)

    def similar_items(self, item_ids: Sequence[str]) -> list[Recommendations]:
        """The most similar items of every item, as many as the export fixed.

        Args:
            item_ids: Raw item ids.

        Returns:
            One entry an item, in their order.
        """
        return recommendations(item_ids, self._call("similar_items", item_id=_ids("item_ids", item_ids)))

    def encode_items(
        self, features: Mapping[str, ArrayLike], *, presence: Mapping[str, ArrayLike] | None = None
    ) -> NDArray[np.float32]:
        """Embeddings of new items.

        Args:
            features: float ``[B, width]`` by modality, raw as in the record set; a modality left out is absent.
            presence: bool ``[B]`` by modality; one left out is present wherever it has features.

        Returns:
            float32 ``[B, d]``.

        Raises:
            InvalidInputError: A modality is unknown, a shape is wrong, or a present feature is not finite.
        """
        return self._with_features("encode_items", features, presence)["embedding"]

    def place_of_new_items(
        self,
        user_ids: Sequence[str],
        features: Mapping[str, ArrayLike],
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
        """
        users = _ids("user_ids", user_ids)
        found = self._with_features("recommend_new_items", features, presence, user_id=users)
        return NewItemPlaces(found["known"], found["score"], found["rank"])

    def _with_features(
        self,
        signature: str,
        features: Mapping[str, ArrayLike],
        presence: Mapping[str, ArrayLike] | None,
        **inputs: tf.Tensor,
    ) -> dict[str, NDArray[Any]]:
        names = self._input_names(signature)
        modalities = [name for name in names if name + PRESENT in names]
        found = self._call(signature, **_feature_inputs(modalities, features, presence or {}), **inputs)
        require_valid(found["valid"])
        return found

    def _call(self, signature: str, **inputs: tf.Tensor) -> dict[str, NDArray[Any]]:
        self._input_names(signature)
        try:
            outputs = self.signatures[signature](**inputs)
        except tf.errors.InvalidArgumentError as error:
            raise InvalidInputError(f"{self.folder}: {signature}: {_reason(error)}") from error
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    def _input_names(self, signature: str) -> list[str]:
        if signature not in self.signatures:
            raise InvalidInputError(
                f'{self.folder}: has no signature "{signature}", it has {", ".join(sorted(self.signatures))}. Those '
                "of modalities need a model with a fusion; similar_items needs one that compares items."
            )
        return sorted(self.signatures[signature].structured_input_signature[1])


def _ids(name: str, ids: Sequence[str]) -> tf.Tensor:
    if isinstance(ids, str):
        raise InvalidInputError(f'{name} is the text "{ids}", expected a list of ids: ["{ids}"].')
    texts = [str(raw) for raw in ids]
    for raw in texts:
        try:
            raw.encode()
        except UnicodeEncodeError:
            raise InvalidInputError(f"{name} has {raw!r}, which is not UTF-8 text. Raw ids are UTF-8.") from None
    return tf.constant(texts, tf.string)


def _rows_of_ids(rows: Sequence[Sequence[str]]) -> tf.Tensor:
    width = max((len(row) for row in rows), default=0)
    padded = [[str(raw) for raw in row] + [""] * (width - len(row)) for row in rows]
    return tf.reshape(tf.constant(padded, tf.string), [len(rows), width])


def _feature_inputs(
    modalities: Sequence[str], features: Mapping[str, ArrayLike], presence: Mapping[str, ArrayLike]
) -> dict[str, tf.Tensor]:
    """Inputs by name, absent modalities included."""
    arrays = {input_name(modality): np.asarray(values, np.float32) for modality, values in features.items()}
    masks = {input_name(modality): np.asarray(values, bool) for modality, values in presence.items()}
    for name in [*arrays, *masks]:
        if name not in modalities:
            raise unknown_name("modality", name, modalities)
    for name, values in arrays.items():
        if values.ndim != 2:
            raise InvalidInputError(f'modality "{name}" has features of shape {values.shape}, expected [items, width].')
    if not arrays:
        raise InvalidInputError(f"features is empty; expected at least one of {', '.join(modalities)}.")
    items = len(next(iter(arrays.values())))
    inputs = {}
    for name in modalities:
        values = arrays.get(name, np.zeros((items, 0), np.float32))
        inputs[name] = tf.constant(values)
        inputs[name + PRESENT] = tf.constant(masks.get(name, np.full(len(values), values.shape[1] > 0)))
    return inputs


def _reason(error: tf.errors.OpError) -> str:
    """What an assertion of the graph says, without where in the graph it stands."""
    text = str(error.message)
    assertion = re.search(r"assertion failed: \[(.*)\]", text)
    return assertion[1] if assertion else " ".join(text.split())
