"""Work that goes on while the page is answered."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from tf_metammf.errors import MetaMMFError, one_line

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Progress = Callable[[float], None]
"""Takes the share that is done, from 0 to 1."""


class Background(Generic[Result]):
    """A function that runs once, in a thread, when its result is first asked for.

    Args:
        name: What it computes, for the log.
        work: The function; it is given something to report its progress to.
    """

    def __init__(self, name: str, work: Callable[[Progress], Result]) -> None:
        self._name = name
        self._work = work
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._progress = 0.0
        self._result: Result | None = None
        self._error = ""

    def result(self) -> Result | None:
        """The result; None while it is computed, which begins with the first call, or if it failed."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        return self._result

    def wait(self, seconds: float) -> Result | None:
        """The result, waiting for it at most so long."""
        self.result()
        assert self._thread is not None
        self._thread.join(seconds)
        return self._result

    def state(self) -> dict[str, Any]:
        """What to show in the place of a result: the share that is done, and what went wrong."""
        return {"progress": round(self._progress, 3), "error": self._error}

    def _run(self) -> None:
        try:
            self._result = self._work(self._report)
        except MetaMMFError as error:
            self._error = one_line(error)
            logger.warning("%s failed: %s", self._name, self._error)
        except Exception:
            self._error = "This failed; the log of tf-metammf explore says why."
            logger.exception("%s failed", self._name)

    def _report(self, share: float) -> None:
        self._progress = share
