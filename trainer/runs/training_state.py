"""How far a training is: what a checkpoint holds beside weights, and what decides when to stop."""

from dataclasses import asdict, dataclass, field
from typing import Any

from tf_metammf.errors import InvalidInputError


@dataclass
class TrainingState:
    """How far a training is. It is saved with every checkpoint.

    Attributes:
        epoch: Finished epochs.
        step_of_epoch: Finished steps of the epoch under way.
        step: Finished steps of all epochs.
        history: One row a finished epoch: its number from 0, loss, learning rate, validation metrics.
        best_epoch: The epoch with the best monitored metric, counted from 1, or None.
        best_value: Its metric, or None.
        rollbacks: What was rolled back: step, loss, and the step gone back to. Each halves the learning rate.
        spikes: Steps of the epoch under way whose loss was far above those before.
        recent_losses: Losses of the last steps that were no spikes.
        loss_sum: Sum of the losses of the epoch under way, over the rows of its batches.
        row_sum: Number of these rows.
        complete: Whether no further step follows.
        stopped_modalities: The epoch, counted from 1, after which each stopped modality was trained no more, by name.
        nothing_to_train: Whether no weight is left that training would change.
    """

    epoch: int = 0
    step_of_epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    best_value: float | None = None
    rollbacks: list[dict[str, float]] = field(default_factory=list)
    spikes: int = 0
    recent_losses: list[float] = field(default_factory=list)
    loss_sum: float = 0.0
    row_sum: float = 0.0
    complete: bool = False
    stopped_modalities: dict[str, int] = field(default_factory=dict)
    nothing_to_train: bool = False

    def to_json(self) -> dict[str, Any]:
        """The state as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "TrainingState":
        """The state of :meth:`to_json`.

        Raises:
            InvalidInputError: A field is missing or unknown.
        """
        try:
            return cls(**content)
        except TypeError as error:
            raise InvalidInputError(f"a training state cannot be read ({error}).") from error

    def replace_with(self, other: "TrainingState") -> None:
        """Takes over another state, in place: callbacks share this object."""
        self.__dict__.update(other.__dict__)

    def is_better(self, value: float | None) -> bool:
        """Whether a monitored metric is better than the best so far."""
        return value is not None and (self.best_value is None or value > self.best_value)

    def is_exhausted(self, *, epochs: int, patience: int) -> bool:
        """Whether training ends here: all epochs done, or ``patience`` of them without a better metric (0: never).

        It also ends where nothing is left to train.
        """
        waited = self.epoch - (self.best_epoch or 0)
        return self.epoch >= epochs or bool(patience and waited >= patience) or self.nothing_to_train
