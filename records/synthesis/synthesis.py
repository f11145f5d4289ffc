"""Synthetic micro-videos, made so that every item has to be fused in its own way."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.splits.splitting import Splitting, split_interactions
from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos

_PREFERENCES_AT_ONCE = 2**22


@dataclass(frozen=True)
class Kind:
    """What users respond to in the items of one kind.

    Attributes:
        content: Number of the modality whose content it is.
        mood: Number of the modality whose mood decides the sense of the content, or None.
    """

    content: int
    mood: int | None = None


@dataclass(frozen=True)
class SyntheticData:
    """Synthetic micro-videos and the truth behind them.

    Attributes:
        raw: Ids, interactions and features, as a source gives them.
        splits: Interactions by split; cold items are in validation or test only.
        kinds: All kinds.
        kind_of_item: int64 ``[items]``: position in ``kinds``.
        true_user_embeddings: float32 ``[users, taste_width + 1]``.
        true_item_embeddings: float32 ``[items, taste_width + 1]``; their products with those of the users are the
            true preferences.
        unseen_features: float32 ``[unseen_items, width]`` by modality.
        unseen_true_embeddings: float32 ``[unseen_items, taste_width + 1]``.
        shown: What all items show in every modality, the unseen ones last.
        kind_of_all: int64 ``[items + unseen_items]``: position in ``kinds``.
    """

    raw: RawData
    splits: dict[str, Interactions]
    kinds: tuple[Kind, ...]
    kind_of_item: NDArray[np.int64]
    true_user_embeddings: NDArray[np.float32]
    true_item_embeddings: NDArray[np.float32]
    unseen_features: dict[str, NDArray[np.float32]]
    unseen_true_embeddings: NDArray[np.float32]
    shown: "Shown"
    kind_of_all: NDArray[np.int64]


@dataclass(frozen=True)
class Shown:
    """What the items show in every modality.

    Attributes:
        contents: float64 ``[modalities, items, taste_width]``, on the sphere of radius ``sqrt(taste_width)``.
        moods: float64 ``[modalities, items]``, -1 or 1.
    """

    contents: NDArray[np.float64]
    moods: NDArray[np.float64]


def synthesize(videos: SyntheticVideos) -> SyntheticData:
    """Makes micro-videos in which the item decides how its modalities have to be fused.

    Item ``i`` of kind ``k`` shows in every modality ``m`` a content ``c[i, m]``, uniform on the sphere of
    radius ``sqrt(taste_width)`` (mean 0, covariance the identity), and a mood ``s[i, m]``, -1 or 1. All of
    them are independent and drawn alike for every kind and modality. The features are

        x[i, m] = c[i, m] A[m] + s[i, m] b[m] + signature * g[k, m] + noise * e[i, m]

    with orthonormal ``A[m]`` [taste_width, width] and ``b[m]`` [width], a direction ``g[k, m]`` of length 1
    and standard normal ``e``. By default the kind is a faint trace beside what the item shows, but a sure one.

    What users respond to is ``v[i] = c[i, m]``, the content of the one modality that the kind says; or
    ``v[i] = s[i, n] c[i, m]``, which the mood of another modality turns into its opposite, as ironic music
    does with a picture. The first kinds have the one modality alone, the next a mood from the next
    modality, and so on: three modalities make 3 + 6 kinds. All other contents and moods look the same
    and mean nothing, so no linear fusion is right for two kinds. Given kind and mood, a linear one is.

    User ``u`` has a taste ``t[u]``, uniform on the unit sphere, prefers item ``i`` by
    ``preference_scale t[u] . v[i] + popularity p[i]`` with standard normal ``p``, and takes items without
    replacement with probabilities proportional to the exponential of that. The number of a user's items is
    negative binomial with a standard deviation of about 0.6 times the mean. A missing modality is
    hidden in the features; what users respond to stays the same.

    Splits are those of ``cold_start`` (:class:`tf_metammf.records.Splitting`), 80/10/10 for the warm items.
    Memory does not grow with users times items.

    Args:
        videos: What to synthesise.

    Returns:
        The data and the truth behind them; the same argument gives the same result.

    Raises:
        InvalidInputError: The splits leave nothing for training.
    """
    for_items, for_users, for_presence, for_interactions = np.random.default_rng(videos.seed).spawn(4)
    everything = videos.items + videos.unseen_items
    kinds = _kinds(videos)
    kind_of_item = for_items.permutation(np.arange(everything) % len(kinds))
    shown = Shown(
        contents=np.sqrt(videos.taste_width)
        * directions(for_items, (videos.modalities, everything, videos.taste_width)),
        moods=for_items.choice([-1.0, 1.0], size=(videos.modalities, everything)),
    )
    features = _features(videos, for_items, shown, kind_of_item=kind_of_item, kinds=len(kinds))
    popularity = videos.popularity * for_items.standard_normal(everything)
    items = np.column_stack([_responses(shown, kinds, kind_of_item), popularity]).astype(np.float32)
    tastes = videos.preference_scale * directions(for_users, (videos.users, videos.taste_width))
    users = np.column_stack([tastes, np.ones(videos.users)]).astype(np.float32)
    present = _presence(videos, for_presence)
    names = videos.modality_names
    raw = RawData(
        name="synthetic",
        user_ids=[f"u{user}" for user in range(videos.users)],
        item_ids=[f"v{item}" for item in range(videos.items)],
        interactions=drawn_interactions(
            for_interactions, users=users, items=items[: videos.items], per_user=videos.interactions_per_user
        ),
        modalities={
            name: ModalityFeatures(values[: videos.items], np.where(present[modality], np.arange(videos.items), -1))
            for modality, (name, values) in enumerate(features.items())
        },
        provenance={
            "source": "synthetic",
            "options": asdict(videos),
            "kinds": [
                {"content": names[kind.content], "mood": None if kind.mood is None else names[kind.mood]}
                for kind in kinds
            ],
        },
    )
    splitting = Splitting(method="cold_start", cold_items=videos.cold_items) if videos.cold_items else Splitting()
    return SyntheticData(
        raw=raw,
        splits=split_interactions(raw, splitting, seed=videos.seed),
        kinds=kinds,
        kind_of_item=kind_of_item[: videos.items],
        true_user_embeddings=users,
        true_item_embeddings=items[: videos.items],
        unseen_features={name: values[videos.items :] for name, values in features.items()},
        unseen_true_embeddings=items[videos.items :],
        shown=shown,
        kind_of_all=kind_of_item,
    )


def _kinds(videos: SyntheticVideos) -> tuple[Kind, ...]:
    modalities = range(videos.modalities)
    alone = [Kind(content) for content in modalities]
    with_mood = [
        Kind(content, (content + distance) % videos.modalities) for distance in modalities[1:] for content in modalities
    ]
    return (*alone, *with_mood)[: videos.kinds]


def _features(
    videos: SyntheticVideos,
    random: np.random.Generator,
    shown: Shown,
    *,
    kind_of_item: NDArray[np.int64],
    kinds: int,
) -> dict[str, NDArray[np.float32]]:
    """Features ``[items, width]`` by modality."""
    features = {}
    for modality, name in enumerate(videos.modality_names):
        basis = np.linalg.qr(random.standard_normal((videos.width, videos.width)))[0]
        signatures = videos.signature * directions(random, (kinds, videos.width))
        values = shown.contents[modality] @ basis[: videos.taste_width]
        values += shown.moods[modality][:, np.newaxis] * basis[videos.taste_width]
        values += signatures[kind_of_item]
        values += videos.noise * random.standard_normal(values.shape)
        features[name] = values.astype(np.float32)
    return features


def _responses(shown: Shown, kinds: tuple[Kind, ...], kind_of_item: NDArray[np.int64]) -> NDArray[np.float64]:
    """What users respond to ``[items, taste_width]``."""
    responses = np.empty(shown.contents.shape[1:])
    for number, kind in enumerate(kinds):
        members = kind_of_item == number
        sense = 1.0 if kind.mood is None else shown.moods[kind.mood][members, np.newaxis]
        responses[members] = sense * shown.contents[kind.content][members]
    return responses


def _presence(videos: SyntheticVideos, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which items have which modality, ``[modalities, items]``."""
    present = random.random((videos.modalities, videos.items)) >= videos.missing
    kept = random.integers(videos.modalities, size=videos.items)
    present[kept, np.arange(videos.items)] |= ~present.any(axis=0)
    return present


def drawn_interactions(
    random: np.random.Generator,
    *,
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    per_user: float,
) -> Interactions:
    """Items that users take, by preference and popularity; :func:`synthesize` has the distribution.

    Args:
        random: Draws them.
        users: ``[users, d]``.
        items: ``[items, d]``; products with those of users are the preferences.
        per_user: Mean number of a user's items.
    """
    activity = random.poisson(random.gamma(3, per_user / 3, size=len(users)))
    activity = np.clip(activity, 3, len(items) // 2)
    at_once = max(1, _PREFERENCES_AT_ONCE // len(items))
    taken = [
        _taken(random, users[first : first + at_once] @ items.T, activity[first : first + at_once])
        for first in range(0, len(users), at_once)
    ]
    return Interactions(np.repeat(np.arange(len(users)), activity), np.concatenate(taken))


def _taken(
    random: np.random.Generator, preferences: NDArray[np.float32], activity: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Items of each user, one user after another.

    The items that come first in a race of exponential clocks with the rate ``exp(preference)``: a draw without
    replacement (Efraimidis and Spirakis, Information Processing Letters 97, 2006).
    """
    # Logarithms of the arrival times, so that no rate over- or underflows.
    clocks = np.maximum(random.standard_exponential(preferences.shape, dtype=np.float32), np.finfo(np.float32).tiny)
    arrivals = np.log(clocks) - preferences
    most = int(activity.max())
    first = np.argpartition(arrivals, most, axis=1)[:, :most]
    first = np.take_along_axis(first, np.argsort(np.take_along_axis(arrivals, first, axis=1), axis=1), axis=1)
    return first[np.arange(most) < activity[:, np.newaxis]]


def directions(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Vectors of length 1, uniform on the sphere of the last axis."""
    vectors = random.standard_normal(shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
