"""Signals that ask a training to leave: it ends the step, writes a checkpoint and goes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

EXIT_TERMINATED = 128 + signal.SIGTERM
"""Exit code after SIGTERM, as a shell reports it: 143."""


class Preemption:
    """Remembers SIGTERM and SIGINT while steps are under way, so that they end at a moment that can be resumed.

    Outside of :meth:`deferred`, and for a second SIGINT, a signal ends the program at once.

    Attributes:
        signal: The signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Defers the signals inside the block; does nothing outside of the main thread, which alone gets them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self) -> NoReturn:
        """Ends the program as the signal that came would have.

        Raises:
            KeyboardInterrupt: After SIGINT.
            SystemExit: With :data:`EXIT_TERMINATED`, after SIGTERM, or where another process of the training got
                the signal.
        """
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(EXIT_TERMINATED)

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        if self.signal == signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
