"""How far ``fit`` is: bars on a terminal, a line an epoch elsewhere."""

import time
from typing import Any

import tf_keras as keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tf_metammf.records.console import make_console
from tf_metammf.trainer.runs.training_state import TrainingState


class ShowProgress(keras.callbacks.Callback):
    """Prints to stdout how far training is.

    Args:
        state: The state, shared with the other callbacks. Put this callback after those that count and validate.
        epochs: Epochs at most.
        steps: Steps of an epoch.
        monitor: The metric that weights are chosen by, such as ``"ndcg@20"``.
        bars: Bars of epochs and steps with the time left, instead of a line an epoch.
    """

    def __init__(self, state: TrainingState, *, epochs: int, steps: int, monitor: str, bars: bool) -> None:
        super().__init__()
        self.state = state
        self.epochs = epochs
        self.steps = steps
        self.monitor = monitor
        self.bars = bars
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._is_read = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Shows the bars, at where a resumed training is."""
        if not self.bars:
            return
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=make_console(),
        )
        self._epoch_bar = self._progress.add_task("epoch", total=self.epochs, completed=self.state.epoch, numbers="")
        self._step_bar = self._progress.add_task(
            "step", total=self.steps, completed=self.state.step_of_epoch, numbers=""
        )
        self._progress.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begins to count the steps of the epoch."""
        self._began = time.monotonic()
        if self._progress is not None:
            self._progress.reset(self._step_bar, completed=self.state.step_of_epoch, numbers="")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves the bar of the steps."""
        if self._progress is not None:
            loss = (logs or {}).get("loss")
            numbers = "" if loss is None else f"loss {loss:.4f}"
            self._progress.update(self._step_bar, advance=1, numbers=numbers)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Prints the line of the epoch, or moves the bar."""
        if self._progress is not None:
            best = "" if self.state.best_value is None else f"best {self.monitor} {self.state.best_value:.4f}"
            self._progress.update(self._epoch_bar, completed=epoch + 1, numbers=best)
        elif not self.bars:
            line, width = self._line(epoch, logs or {}), len(str(self.epochs))
            self._print(f"epoch {epoch + 1:{width}}/{self.epochs}  {line}  {time.monotonic() - self._began:.1f} s")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leaves the bars as they are."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _print(self, line: str) -> None:
        """Prints a line; training continues when the reader has closed the pipe, as ``head`` is after ten lines."""
        if self._is_read:
            try:
                print(line, flush=True)
            except BrokenPipeError:
                self._is_read = False

    def _line(self, epoch: int, logs: dict[str, Any]) -> str:
        validation = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        numbers = [f"loss {logs['loss']:.4f}"] if "loss" in logs else []
        numbers += [f"validation {name} {value:.4f}" for name, value in validation.items()]
        if self.state.best_epoch == epoch + 1:
            numbers.append(f"(best {self.monitor})")
        return "  ".join(numbers)
