"""What synthetic token sequences are to be made: what in their order, or in one of their moments, users respond to."""

from dataclasses import dataclass
from typing import Literal, get_args

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.number_bounds import require_number
from tf_metammf.records.synthesis.marked_halves import LEAST_FRAMES

Pattern = Literal[
    "needle", "needles", "order", "motif", "halves", "motif_or_halves", "binding", "neighbours", "clock", "kinds"
]
"""What users respond to; :mod:`tf_metammf.records.synthesis.sequence_synthesis` has the equations."""

MARKS = 3
"""Values of a token beside contents and keys."""
PAIRED_FRAMES = 8
"""Least frames of ``neighbours``: four pairs of two keys and two."""


@dataclass(frozen=True)
class SyntheticSequences:
    """What to synthesise; ``tf_metammf.records.synthesis.sequence_synthesis`` has the equations.

    Attributes:
        pattern: ``needle``, ``needles``, ``order``, ``motif``, ``halves``, ``motif_or_halves``, ``binding``,
            ``neighbours``, ``clock`` or ``kinds``.
        users: Number of users.
        items: Number of items.
        frames: Visual tokens of an item, at least 4; 8 with ``neighbours``; even and at least 24 with ``halves`` and
            ``motif_or_halves``.
        rate: Visual tokens a second.
        sound_rate: Acoustic tokens a second.
        width: Values of a token, at least ``2 taste_width + 3``.
        interactions_per_user: Mean, at least 3 and at most a quarter of the items.
        cold_items: Share of the items kept out of training, half of them for validation, half for test.
        taste_width: Width of tastes and contents.
        preference_scale: Standard deviation of a user's preferences; 0 leaves popularity alone.
        popularity: Standard deviation of the logarithm of popularity.
        noise: Standard deviation of the noise in every value.
        seed: The same seed gives the same data. Data of one seed and several numbers of frames have the same users
            and show contents in the same way.

    Raises:
        InvalidInputError: A number is out of its range, or the pattern is unknown.
    """

    pattern: Pattern = "kinds"
    users: int = 1000
    items: int = 1000
    frames: int = 12
    rate: float = 1.0
    sound_rate: float = 1.0
    width: int = 16
    interactions_per_user: float = 30.0
    cold_items: float = 0.2
    taste_width: int = 4
    preference_scale: float = 4.0
    popularity: float = 0.5
    noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pattern not in get_args(Pattern):
            raise InvalidInputError(f"pattern is {self.pattern!r}, expected one of {', '.join(get_args(Pattern))}.")
        require_number("users", self.users, 1)
        require_number("items", self.items, 12)
        require_number("frames", self.frames, 4)
        if self.pattern in ("halves", "motif_or_halves"):
            require_number("frames", self.frames, LEAST_FRAMES, why=f" with the pattern {self.pattern}")
            if self.frames % 2:
                raise InvalidInputError(f"frames is {self.frames}, expected an even number with {self.pattern}.")
        if self.pattern == "neighbours":
            require_number("frames", self.frames, PAIRED_FRAMES, why=" with the pattern neighbours")
        require_number("taste_width", self.taste_width, 1)
        least = 2 * self.taste_width + MARKS
        require_number("width", self.width, least, why=f" with a taste_width of {self.taste_width}")
        require_number(
            "interactions_per_user", self.interactions_per_user, 3, self.items / 4, why=f" with {self.items} items"
        )
        for name in ("preference_scale", "popularity", "noise", "seed"):
            require_number(name, getattr(self, name), 0)
        for name in ("rate", "sound_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InvalidInputError(f"{name} is {getattr(self, name)}, expected tokens a second, above 0.")
        if not 0 <= self.cold_items < 1:
            raise InvalidInputError(f"cold_items is {self.cold_items}, expected a share from 0 to below 1.")

    @property
    def sounds(self) -> int:
        """Acoustic tokens of an item: for as many seconds as the frames take."""
        return max(4, round(self.frames * self.sound_rate / self.rate))
