"""A run directory that is being trained in, and how far the training is."""

from dataclasses import dataclass, field

from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.training_state import TrainingState


@dataclass(frozen=True)
class RunInProgress:
    """A run directory that is being trained in.

    Attributes:
        run: Where this process writes.
        earlier: The run directory whose checkpoints are resumed: the same, but for a process beside the chief.
        state: How far training is; callbacks share it.
    """

    run: RunDirectory
    earlier: RunDirectory
    state: TrainingState = field(default_factory=TrainingState)
