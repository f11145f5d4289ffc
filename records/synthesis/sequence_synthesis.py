"""Synthetic token sequences, made so that the means of the tokens hide what users respond to."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.splits.splitting import Splitting, split_interactions
from tf_metammf.records.synthesis.marked_halves import mark_halves
from tf_metammf.records.synthesis.paired_keys import draw_paired_keys
from tf_metammf.records.synthesis.synthesis import directions, drawn_interactions
from tf_metammf.records.synthesis.synthetic_sequences import MARKS, SyntheticSequences
from tf_metammf.records.token_arrays import TokenArrays

_MOTIF = np.array([1.0, 1.0, -1.0])


@dataclass(frozen=True)
class SequenceData:
    """Synthetic items with token sequences, and the truth behind them.

    Attributes:
        raw: Ids, interactions and sequences, as a source gives them.
        splits: Interactions by split; cold items are in validation or test only.
        true_user_embeddings: float32 ``[users, taste_width + 1]``.
        true_item_embeddings: float32 ``[items, taste_width + 1]``; their products with those of the users are the true
            preferences.
        kind_of_item: int64 ``[items]``: from 0 to 3 for the pattern ``kinds``, 0 (``motif``) or 1 (``halves``) for
            ``motif_or_halves``, 0 or 1 (the keys of two tokens decide) for ``neighbours``, else 0.
        decisive: int64 ``[items]`` by modality: the token that decides; modalities without such a token are left out.
        shown: float64 ``[items, tokens, 2 taste_width + 3]`` by modality: contents, keys and marks of the tokens.
    """

    raw: RawData
    splits: dict[str, Interactions]
    true_user_embeddings: NDArray[np.float32]
    true_item_embeddings: NDArray[np.float32]
    kind_of_item: NDArray[np.int64]
    decisive: dict[str, NDArray[np.int64]]
    shown: dict[str, NDArray[np.float64]]


def synthesize_sequences(sequences: SyntheticSequences) -> SequenceData:
    """Makes items of visual and acoustic tokens, each with a time in seconds.

    Token ``t`` of modality ``m`` shows a content ``c_m[t]``, uniform on the sphere of radius ``sqrt(taste_width)``, a
    key ``k_m[t]`` of the same kind, and three marks; contents and keys are drawn alike for every token. Its values are
    their sum along orthonormal directions, plus noise. What users respond to is, by ``pattern``,

    - ``needle``: ``c_visual[t]`` of the one frame with the first mark. The marked frame is anywhere, and frames are
      exchangeable: no function of the mean has more than 1 / frames of the variance.
    - ``needles``: ``s c_visual[t]`` with the sense ``s``, -1 or 1, which the third mark of all frames shows, and which
      counts in the one frame with the second mark.
    - ``order``: the mean of ``c_visual`` over the first third of the frames, less that over the last third, to the
      deviation 1. The mean of all frames has nothing of it.
    - ``motif``: ``c_visual[t]`` of the frame behind the only place where the first mark is +, +, -.
    - ``halves``: of the two frames with the second mark, one in each half of the video, ``c_visual[t]`` of the one in
      the half of the only frame with the third mark. That is at least seven frames from both, and from the ends.
    - ``motif_or_halves``: half of the items as ``motif``, the others as ``halves``.
    - ``binding``: ``c_visual[t]`` of the frame whose key is that of the one acoustic token with the first mark. Neither
      modality knows anything alone.
    - ``clock``: ``c_visual[t]`` of the frame that is shown when the one acoustic token with the first mark sounds.
    - ``neighbours``: as ``binding`` for half of the items. For the other half the marked sound has the second mark, and
      the frame has its key, and the frame before it the key of the sound before. Each of the two keys is shown
      with another one, too: who looks at one token at a time knows 1 / 2 of this half at most.
    - ``kinds``: the content of one modality, which is the same in all of its tokens, or its opposite: the visual one
      where the first mark rises over the frames from -1 to 1, the acoustic one where it falls; the opposite where the
      second mark falls. The means of all four kinds are alike.

    Users and their choices are as :func:`tf_metammf.records.synthesis.synthesis.synthesize` has them.

    Args:
        sequences: What to synthesise.

    Returns:
        The data and the truth behind them; the same argument gives the same result.

    Raises:
        InvalidInputError: The splits leave nothing for training.
    """
    for_users, for_items, for_interactions = np.random.default_rng(sequences.seed).spawn(3)
    tastes = sequences.preference_scale * directions(for_users, (sequences.users, sequences.taste_width))
    bases = {name: _basis(for_users, sequences.width) for name in ("visual", "acoustic")}
    tokens = _Tokens.drawn(sequences, for_items)
    responses = _PATTERNS[sequences.pattern](tokens, for_items)
    popularity = sequences.popularity * for_items.standard_normal(sequences.items)
    items = np.column_stack([responses, popularity]).astype(np.float32)
    users = np.column_stack([tastes, np.ones(sequences.users)]).astype(np.float32)
    raw = RawData(
        name="synthetic",
        user_ids=[f"u{user}" for user in range(sequences.users)],
        item_ids=[f"v{item}" for item in range(sequences.items)],
        interactions=drawn_interactions(
            for_interactions, users=users, items=items, per_user=sequences.interactions_per_user
        ),
        modalities={
            name: ModalityFeatures(_arrays(sequences, for_items, tokens, name, basis), np.arange(sequences.items))
            for name, basis in bases.items()
        },
        provenance={"source": "synthetic", "options": asdict(sequences)},
    )
    cold = sequences.cold_items
    splitting = Splitting(method="cold_start", cold_items=cold) if cold else Splitting()
    return SequenceData(
        raw=raw,
        splits=split_interactions(raw, splitting, seed=sequences.seed),
        true_user_embeddings=users,
        true_item_embeddings=items,
        kind_of_item=tokens.kinds,
        decisive=tokens.decisive,
        shown={name: tokens.shown(name) for name in bases},
    )


@dataclass
class _Tokens:
    """What tokens show: contents, keys and marks ``[items, tokens, ...]`` by modality."""

    contents: dict[str, NDArray[np.float64]]
    keys: dict[str, NDArray[np.float64]]
    marks: dict[str, NDArray[np.float64]]
    times: dict[str, NDArray[np.float64]]
    kinds: NDArray[np.int64]
    decisive: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    @classmethod
    def drawn(cls, sequences: SyntheticSequences, random: np.random.Generator) -> "_Tokens":
        """Tokens that mean nothing yet."""
        numbers = {"visual": sequences.frames, "acoustic": sequences.sounds}
        rates = {"visual": sequences.rate, "acoustic": sequences.sound_rate}
        shape, radius = (sequences.items, sequences.taste_width), np.sqrt(sequences.taste_width)
        contents, keys = (
            {name: radius * directions(random, (shape[0], number, shape[1])) for name, number in numbers.items()}
            for _ in range(2)
        )
        return cls(
            contents=contents,
            keys=keys,
            marks={name: np.zeros((shape[0], number, MARKS)) for name, number in numbers.items()},
            times={name: np.arange(number) / rates[name] for name, number in numbers.items()},
            kinds=np.zeros(sequences.items, np.int64),
        )

    @property
    def rows(self) -> NDArray[np.int64]:
        """Numbers of the items."""
        return np.arange(len(self.kinds))

    def shown(self, modality: str) -> NDArray[np.float64]:
        """Contents, keys and marks side by side."""
        return np.concatenate([self.contents[modality], self.keys[modality], self.marks[modality]], axis=2)

    def place(self, modality: str, random: np.random.Generator) -> NDArray[np.int64]:
        """A token of every item, anywhere; it decides."""
        self.decisive[modality] = random.integers(self.contents[modality].shape[1], size=len(self.kinds))
        return self.decisive[modality]


def _needle(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    place = tokens.place("visual", random)
    tokens.marks["visual"][tokens.rows, place, 0] = 2.0
    return tokens.contents["visual"][tokens.rows, place]


def _needles(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    content = _needle(tokens, random)
    senses = tokens.marks["visual"]
    senses[:, :, 2] = random.choice([-1.0, 1.0], size=senses.shape[:2])
    frames = senses.shape[1]
    place = (tokens.decisive["visual"] + random.integers(1, frames, size=len(tokens.kinds))) % frames
    senses[tokens.rows, place, 1] = 2.0
    return senses[tokens.rows, place, 2][:, np.newaxis] * content


def _order(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    del random
    contents = tokens.contents["visual"]
    third = contents.shape[1] // 3
    return (contents[:, :third].mean(axis=1) - contents[:, -third:].mean(axis=1)) * np.sqrt(third / 2)


def _motif(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    signs = tokens.marks["visual"][:, :, 0]
    wanting = np.ones(len(signs), bool)
    while wanting.any():
        signs[wanting] = random.choice([-1.0, 1.0], size=signs[wanting].shape)
        found = _motif_places(signs)
        # Exactly one, with a frame behind it.
        wanting = (found.sum(axis=1) != 1) | found[:, -1]
    place = _motif_places(signs).argmax(axis=1) + len(_MOTIF)
    tokens.decisive["visual"] = place
    return tokens.contents["visual"][tokens.rows, place]


def _motif_places(signs: NDArray[np.float64]) -> NDArray[np.bool_]:
    windows = np.lib.stride_tricks.sliding_window_view(signs, len(_MOTIF), axis=1)
    return (windows == _MOTIF).all(axis=2)


def _halves(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    marks = tokens.marks["visual"]
    frames = marks.shape[1]
    places, saying = mark_halves(frames, len(marks), random)
    marks[tokens.rows[:, np.newaxis], places, 1] = 2.0
    marks[tokens.rows, saying, 2] = 2.0
    tokens.decisive["visual"] = places[tokens.rows, saying // (frames // 2)]
    return tokens.contents["visual"][tokens.rows, tokens.decisive["visual"]]


def _motif_or_halves(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    """Both in all items, then what says the one taken out of the items of the other."""
    of_motif, behind_motif = _motif(tokens, random), tokens.decisive["visual"]
    of_halves, in_half = _halves(tokens, random), tokens.decisive["visual"]
    tokens.kinds = random.permutation(tokens.rows % 2)
    second = tokens.kinds == 1
    tokens.marks["visual"][second, :, 0] = 0
    tokens.marks["visual"][~second, :, 1:] = 0
    tokens.decisive["visual"] = np.where(second, in_half, behind_motif)
    return np.where(second[:, np.newaxis], of_halves, of_motif)


def _binding(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    frame, sound = tokens.place("visual", random), tokens.place("acoustic", random)
    tokens.keys["acoustic"][tokens.rows, sound] = tokens.keys["visual"][tokens.rows, frame]
    tokens.marks["acoustic"][tokens.rows, sound, 0] = 2.0
    return tokens.contents["visual"][tokens.rows, frame]


def _clock(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    sound = tokens.place("acoustic", random)
    tokens.marks["acoustic"][tokens.rows, sound, 0] = 2.0
    shown = np.searchsorted(tokens.times["visual"], tokens.times["acoustic"], side="right") - 1
    tokens.decisive["visual"] = shown[sound]
    return tokens.contents["visual"][tokens.rows, tokens.decisive["visual"]]


def _neighbours(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    _binding(tokens, random)
    tokens.kinds = random.permutation(tokens.rows % 2)
    rows = np.flatnonzero(tokens.kinds)
    numbers = {name: keys.shape[1] for name, keys in tokens.keys.items()}
    width = tokens.contents["visual"].shape[2]
    keys, places = draw_paired_keys(len(rows), tokens=numbers, width=width, random=random)
    for name in keys:
        tokens.keys[name][rows], tokens.decisive[name][rows] = keys[name], places[name]
    tokens.marks["acoustic"][rows] = 0.0
    tokens.marks["acoustic"][rows, places["acoustic"], 1] = 2.0
    return tokens.contents["visual"][tokens.rows, tokens.decisive["visual"]]


def _kinds(tokens: _Tokens, random: np.random.Generator) -> NDArray[np.float64]:
    tokens.kinds = random.permutation(tokens.rows % 4)
    ramp = np.linspace(-1.0, 1.0, tokens.contents["visual"].shape[1])
    heard, reversed_sense = tokens.kinds % 2 == 1, tokens.kinds >= 2
    for mark, falls in enumerate((heard, reversed_sense)):
        tokens.marks["visual"][:, :, mark] = np.where(falls, -1.0, 1.0)[:, np.newaxis] * ramp
    for contents in tokens.contents.values():
        contents[:] = contents[:, :1]
    chosen = np.where(heard[:, np.newaxis], tokens.contents["acoustic"][:, 0], tokens.contents["visual"][:, 0])
    return np.where(reversed_sense, -1.0, 1.0)[:, np.newaxis] * chosen


_PATTERNS: dict[str, Callable[[_Tokens, np.random.Generator], NDArray[np.float64]]] = {
    "needle": _needle,
    "needles": _needles,
    "order": _order,
    "motif": _motif,
    "halves": _halves,
    "motif_or_halves": _motif_or_halves,
    "binding": _binding,
    "neighbours": _neighbours,
    "clock": _clock,
    "kinds": _kinds,
}


def _arrays(
    sequences: SyntheticSequences,
    random: np.random.Generator,
    tokens: _Tokens,
    modality: str,
    basis: NDArray[np.float64],
) -> TokenArrays:
    """Values and times of the tokens of one modality."""
    shown = tokens.shown(modality)
    values = shown @ basis[: shown.shape[2]]
    values += sequences.noise * random.standard_normal(values.shape)
    items, number, width = values.shape
    return TokenArrays(
        values.reshape(items * number, width).astype(np.float32),
        np.full(items, number),
        np.tile(tokens.times[modality], items),
    )


def _basis(random: np.random.Generator, width: int) -> NDArray[np.float64]:
    return np.linalg.qr(random.standard_normal((width, width)))[0]
