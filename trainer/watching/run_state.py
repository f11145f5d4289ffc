"""``state.json`` of a run directory, true from the beginning of a training to however it ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from tf_metammf.errors import TrainingDivergedError
from tf_metammf.records.tensorflow_errors import LOST_CONNECTION
from tf_metammf.trainer.runs.environment import describe_environment, peak_memory_bytes, restart_peak_memory
from tf_metammf.trainer.runs.run_in_progress import RunInProgress
from tf_metammf.trainer.watching.training_curve import draw_training_curve


@dataclass(frozen=True)
class TrainingStart:
    """When a training began.

    Attributes:
        seconds: By the clock of ``time.perf_counter``.
        has_own_peak: Whether the peak of memory is that of this training, and not of what the process did before.
    """

    seconds: float
    has_own_peak: bool

    @classmethod
    def now(cls) -> Self:
        """A training that begins now."""
        return cls(time.perf_counter(), restart_peak_memory())


@contextmanager
def state_written(progress: RunInProgress, *, monitor: str, start: TrainingStart | None = None) -> Iterator[None]:
    """Keeps ``state.json`` true, however training ends, and then draws its curve.

    Args:
        progress: The run.
        monitor: The validation metric that weights are chosen by.
        start: When what is measured began; by default now.
    """
    run, state = progress.run, progress.state
    start, before = start or TrainingStart.now(), run.seconds
    ending = "failed"
    run.write("environment", describe_environment())
    run.write("state", {"state": "running", "seconds": before})
    try:
        yield
        ending = "finished"
    except TrainingDivergedError:
        ending = "diverged"
        raise
    except (KeyboardInterrupt, SystemExit, *LOST_CONNECTION):
        ending = "stopped"
        raise
    finally:
        if run.history_file.is_file():
            draw_training_curve(run, monitor=monitor)
        run.write(
            "state",
            {
                "state": ending,
                "epoch": state.epoch,
                "step": state.step,
                "best_epoch": state.best_epoch,
                f"validation {monitor}": state.best_value,
                "rollbacks": state.rollbacks,
                "stopped_modalities": state.stopped_modalities,
                "seconds": round(before + time.perf_counter() - start.seconds, 2),
                "peak_memory_bytes": peak_memory_bytes(),
                "peak_memory_since": "training began" if start.has_own_peak else "process began",
            },
        )
