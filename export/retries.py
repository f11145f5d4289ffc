"""Retries of requests to a server that is not there at the moment."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tf_metammf.export.serving_error import UNAVAILABLE, ServingError

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Retries:
    """Exponential back-off with full jitter.

    Before retry ``n``, from 0, it waits a random time between 0 and ``min(largest, first 2^n)``
    seconds, so that clients which lost a server together do not come back together. Only
    ``UNAVAILABLE`` is retried: every other error would be the same again.

    Attributes:
        count: Retries at most after the first attempt.
        first: Seconds that the first wait has at most.
        largest: Seconds that any wait has at most.
    """

    count: int = 5
    first: float = 0.1
    largest: float = 2.0

    def call(self, attempt: Callable[[float], Answer], timeout: float) -> Answer:
        """Makes attempts until one succeeds, none is left, or the time is over.

        Args:
            attempt: Called with the seconds that are left to it.
            timeout: Seconds for everything: attempts and waits.

        Raises:
            ServingError: What the last attempt raised.
        """
        deadline = time.monotonic() + timeout
        for retry in range(self.count + 1):
            try:
                return attempt(max(0.0, deadline - time.monotonic()))
            except ServingError as error:
                wait = random.uniform(0, min(self.largest, self.first * 2**retry))
                if error.code != UNAVAILABLE or retry == self.count or time.monotonic() + wait >= deadline:
                    raise
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")
