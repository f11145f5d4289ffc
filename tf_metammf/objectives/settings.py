"""Settings of the objectives, readable without TensorFlow; see :mod:`tf_metammf.parts.parts`."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

from tf_metammf.parts.parts import PartKind, PartSettings, Searched


@dataclass
class ObjectiveSettings(PartSettings):
    """Settings of an objective: what is minimised.

    Attributes:
        name: The name of the objective.
    """

    kind: ClassVar[PartKind] = "objective"
    samples_negatives: ClassVar[bool] = False
    """Whether batches carry sampled negatives; the settings then say how many and how they are drawn."""
    needs_all_items: ClassVar[bool] = False
    """Whether every step needs the embeddings of all items."""
    takes_item_frequency: ClassVar[bool] = False
    """Whether the layer takes the training interactions of every item as ``item_frequency``."""
    minimises: ClassVar[bool] = True
    """Whether there is anything to minimise."""
    takes_preferences: ClassVar[bool] = False
    """Whether batches carry preferences, and the settings name the run that is the reference."""
    contrasts_batch: ClassVar[bool] = False
    """Whether the negatives of an interaction are what else is in its batch, which then needs more than one."""

    @property
    def contrasted(self) -> tuple[str, ...]:
        """What each has to be told apart from others of its kind in training: ``"item"``, ``"user"``."""
        return ()

    @property
    def takes_user_frequency(self) -> bool:
        """Whether the layer takes the training interactions of every user as ``user_frequency``."""
        return False

    @property
    def negatives_per_positive(self) -> int:
        """Sampled negatives of every interaction of a batch."""
        return 0

    @property
    def negative_popularity_power(self) -> float:
        """They are drawn with popularity to this power."""
        return 0.0

    def step_bytes(self, *, batch_size: int, users: int, items: int, width: int) -> int:
        """What the objective holds at once beside what it is given, in bytes, as far as it is known.

        Args:
            batch_size: Interactions of a batch.
            users: Number of users.
            items: Number of items.
            width: Width of the embeddings.
        """
        return 12 * batch_size * (1 + self.negatives_per_positive) * width


BASE = ObjectiveSettings


@dataclass
class ScaledObjectiveSettings(ObjectiveSettings):
    """Settings of an objective that scales scores.

    Attributes:
        temperature: Divides the scores.
    """

    temperature: float = 0.2

    above_zero = frozenset({"temperature"})
    searched: ClassVar[Searched] = {"temperature": {"log_range": [0.05, 1.0]}}


@dataclass
class InBatchSoftmaxSettings(ScaledObjectiveSettings):
    """Settings of the softmax over the items of the batch.

    Attributes:
        item_to_user_weight: Factor of the same softmax over the users of the batch for each item; 0 for none.
    """

    name: Literal["in_batch_softmax"] = "in_batch_softmax"
    item_to_user_weight: float = 0.0

    layer = "tf_metammf.objectives.in_batch_softmax:InBatchSoftmax"
    takes_item_frequency = True
    contrasts_batch = True
    lower_bounds = MappingProxyType({"item_to_user_weight": 0})

    @property
    def contrasted(self) -> tuple[str, ...]:
        """Items, and users where they are candidates, too."""
        return ("item", "user") if self.takes_user_frequency else ("item",)

    @property
    def takes_user_frequency(self) -> bool:
        """Where users are candidates, too."""
        return self.item_to_user_weight > 0

    def step_bytes(self, *, batch_size: int, users: int, items: int, width: int) -> int:
        """Scores of the distinct items of a batch and their softmax, and of its distinct users where they count."""
        # Nothing keeps one direction from being computed beside the other.
        others = _distinct(batch_size, items) + (_distinct(batch_size, users) if self.item_to_user_weight else 0)
        return 8 * batch_size * others


@dataclass
class FullSoftmaxSettings(ScaledObjectiveSettings):
    """Settings of the softmax over all items."""

    name: Literal["full_softmax"] = "full_softmax"

    layer = "tf_metammf.objectives.objectives:FullSoftmax"
    needs_all_items = True
    takes_item_frequency = True

    @property
    def contrasted(self) -> tuple[str, ...]:
        """Items."""
        return ("item",)

    def step_bytes(self, *, batch_size: int, users: int, items: int, width: int) -> int:
        """Two tensors of all scores."""
        return 8 * batch_size * items


@dataclass
class BPRSettings(ScaledObjectiveSettings):
    """Settings of Bayesian personalised ranking with sampled negatives.

    Attributes:
        negatives: Sampled negatives for each positive.
        popularity_power: Negatives are drawn with popularity to this power; 0 is uniform.
    """

    name: Literal["bpr"] = "bpr"
    negatives: int = 5
    popularity_power: float = 0.0

    layer = "tf_metammf.objectives.objectives:BPR"
    samples_negatives = True
    lower_bounds = MappingProxyType({"negatives": 1, "popularity_power": 0})
    not_for_layer = frozenset({"negatives", "popularity_power"})

    @property
    def negatives_per_positive(self) -> int:
        """As set."""
        return self.negatives

    @property
    def negative_popularity_power(self) -> float:
        """As set."""
        return self.popularity_power


@dataclass
class PreferenceSettings(ScaledObjectiveSettings):
    """Settings of preference optimisation, :mod:`tf_metammf.objectives.preference`.

    Attributes:
        reference: The run directory that training begins with and is held to, of the same interactions.
        loss: softmax_dpo over all rejected items of a preference together, dpo or ipo over each.
        beta: How closely the reference is kept; larger is closer.
        label_smoothing: How often a preference is expected to be wrong, below 0.5.
        anchor: Factor of the softmax over interactions, which keeps users without preferences in place; 0 for none.
        rejected: Rejected items of a preference in a step, drawn where it has more.
        pairs: Preferences of a step, beside its interactions.
    """

    name: Literal["preference"] = "preference"
    reference: str | None = None
    loss: Literal["softmax_dpo", "dpo", "ipo"] = "softmax_dpo"
    beta: float = 0.1
    label_smoothing: float = 0.0
    anchor: float = 0.5
    rejected: int = 3
    pairs: int = 256

    layer = "tf_metammf.objectives.preference:Preference"
    takes_item_frequency = True
    takes_preferences = True
    contrasts_batch = True
    not_for_layer = frozenset({"reference", "rejected", "pairs"})
    above_zero = frozenset({"temperature", "beta"})
    lower_bounds = MappingProxyType({"label_smoothing": 0, "anchor": 0, "rejected": 1, "pairs": 1})
    # The temperature and beta are one parameter up to a factor, and the temperature is that of the reference.
    searched: ClassVar[Searched] = {"beta": {"log_range": [0.03, 1.0]}, "anchor": {"log_range": [0.1, 2.0]}}

    @property
    def contrasted(self) -> tuple[str, ...]:
        """Items."""
        return ("item",)

    def step_bytes(self, *, batch_size: int, users: int, items: int, width: int) -> int:
        """Scores of the distinct items of a batch, embeddings of the preferences, and the tables of the reference."""
        of_pairs = 12 * self.pairs * (2 + self.rejected) * width
        return 8 * batch_size * _distinct(batch_size, items) + of_pairs + 4 * (users + items) * width


@dataclass
class NoObjectiveSettings(ObjectiveSettings):
    """No objective, for encoders that bring all of their loss, and baselines."""

    name: Literal["none"] = "none"

    layer = "tf_metammf.objectives.objectives:NoObjective"
    minimises = False


def _distinct(draws: int, count: int) -> int:
    """How many of ``count`` a batch has, at most on average: where all are equally frequent."""
    return round(count * (1 - (1 - 1 / count) ** draws)) if count else 0
