"""What synthetic micro-videos are to be made: how many, of how many modalities and kinds, how hard to tell apart."""

from dataclasses import dataclass

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.number_bounds import require_number

MODALITY_NAMES = ("visual", "acoustic", "textual")


@dataclass(frozen=True)
class SyntheticVideos:
    """What to synthesise; ``tf_metammf.records.synthesis.synthesis`` has the equations.

    Attributes:
        users: Number of users.
        items: Number of items.
        unseen_items: Items beyond those, with features but outside the record set.
        modalities: Number of modalities, at least 2: visual, acoustic, textual, modality_3 and so on.
        width: Values of a modality, more than ``taste_width``.
        kinds: Number of kinds, at most ``modalities ** 2``; by default all of these.
        interactions_per_user: Mean, at least 3 and at most a quarter of the items. A single user has at least
            3 and at most half of the items.
        cold_items: Share of the items kept out of training, half of them for validation, half for test.
        missing: Probability that an item lacks a modality; one is always left.
        taste_width: Width of tastes and contents.
        preference_scale: Standard deviation of a user's preferences; 0 leaves popularity alone.
        popularity: Standard deviation of the logarithm of popularity.
        signature: Length of the signature of a kind in a modality; each direction of the content has the deviation 1.
        noise: Standard deviation of the noise in every direction.
        seed: The same seed gives the same data.

    Raises:
        InvalidInputError: A number is out of its range.
    """

    users: int = 3000
    items: int = 3000
    unseen_items: int = 0
    modalities: int = 3
    width: int = 16
    kinds: int | None = None
    interactions_per_user: float = 30.0
    cold_items: float = 0.2
    missing: float = 0.0
    taste_width: int = 4
    preference_scale: float = 4.0
    popularity: float = 0.5
    signature: float = 0.5
    noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        require_number("users", self.users, 1)
        require_number("items", self.items, 12)
        require_number("unseen_items", self.unseen_items, 0)
        require_number("modalities", self.modalities, 2)
        require_number("taste_width", self.taste_width, 1)
        require_number("width", self.width, self.taste_width + 1, why=f" with a taste_width of {self.taste_width}")
        require_number(
            "interactions_per_user", self.interactions_per_user, 3, self.items / 4, why=f" with {self.items} items"
        )
        if self.kinds is not None:
            require_number("kinds", self.kinds, 1, self.modalities**2, why=f" with {self.modalities} modalities")
        for name in ("preference_scale", "popularity", "signature", "noise", "seed"):
            require_number(name, getattr(self, name), 0)
        for name in ("cold_items", "missing"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise InvalidInputError(f"{name} is {share}, expected a share from 0 to below 1.")

    @property
    def modality_names(self) -> list[str]:
        """Names of the modalities, by number."""
        further = [f"modality_{number}" for number in range(len(MODALITY_NAMES), self.modalities)]
        return [*MODALITY_NAMES[: self.modalities], *further]
