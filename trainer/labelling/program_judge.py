"""A judge outside: a program that reads pairs as lines of JSON and writes its choices."""

import json
import queue
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.labelling.drawn_pairs import DrawnPairs

CHOICES = {"first": 1, "second": -1, None: 0}
_LONGEST_SHOWN = 120
_STDERR_BYTES = 2000
_SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class ProgramJudge:
    """Asks a program which item of each pair is better.

    The program gets a line of JSON on its standard input for every pair: ``{"pair": 0, "user": "u1", "first": "v3",
    "second": "v7", "history": ["v1", "v2"]}``, with raw ids and the training items of the user. For each it writes a
    line to its standard output, in any order: ``{"pair": 0, "choice": "first"}``, ``"second"``, or null where it has
    none. What it writes to standard error is shown where it fails. No shell is involved: the words of the command are
    the program and its arguments.

    Attributes:
        command: The program and its arguments, as a shell would be given them.
        user_ids: Raw ids of the users.
        item_ids: Raw ids of the items.
        histories: Of every user the dense ids of training items.
        timeout: Seconds that it may take until the next answer.

    Raises:
        InvalidInputError: The command is empty or has an open quote, or the time is not positive.
    """

    command: str
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    histories: Sequence[NDArray[np.int64]]
    timeout: float = 600.0

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise InvalidInputError(f"timeout is {self.timeout}, expected seconds above 0.")
        if not self.words:
            raise InvalidInputError("the program is empty, expected a command such as python judge.py.")

    @property
    def words(self) -> list[str]:
        """The program and its arguments."""
        try:
            return shlex.split(self.command)
        except ValueError as error:
            raise InvalidInputError(
                f"the program {self.command!r} cannot be read ({error}). Close the quote."
            ) from error

    @property
    def source(self) -> str:
        """What the preferences are said to come from."""
        return f"program:{self.words[0].rpartition('/')[2]}"

    def choose(self, pairs: DrawnPairs) -> NDArray[np.int8]:
        """What the program chooses of every pair.

        Returns:
            1 for the first item, -1 for the second, 0 for none; int8 ``[n]``.

        Raises:
            InvalidInputError: The program cannot be started, takes too long, writes something else, leaves pairs out,
                or ends with another code than 0.
        """
        try:
            process = subprocess.Popen(
                self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise InvalidInputError(f"{self.words[0]}: cannot be started ({error.strerror or error}).") from error
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        answers: queue.Queue[bytes | None] = queue.Queue()
        complaints: list[bytes] = []
        threads = [
            threading.Thread(target=self._write, args=(process.stdin, pairs), daemon=True),
            threading.Thread(target=_read_lines, args=(process.stdout, answers), daemon=True),
            threading.Thread(target=_read_end, args=(process.stderr, complaints), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            choices, answered = self._collect(answers, len(pairs))
            code = process.wait(timeout=_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            raise InvalidInputError(
                f"{self.words[0]}: closed its output or answered all pairs, and has not ended {_SECONDS_TO_END:g} "
                "seconds after. End it at the end of its input."
            ) from None
        finally:
            process.kill()
            process.wait()
            for thread in threads:
                thread.join(timeout=1)
        if code:
            raise InvalidInputError(f"{self.words[0]}: ended with code {code}{_shown(complaints)}.")
        if not answered.all():
            raise InvalidInputError(
                f"{self.words[0]}: ended after {int(answered.sum()):,} of {len(pairs):,} answers, pair "
                f"{int(np.argmin(answered))} has none{_shown(complaints)}. Write a line for each."
            )
        return choices

    def _write(self, stream: IO[bytes], pairs: DrawnPairs) -> None:
        # The program may end, and with it the pipe, before it has read everything.
        with suppress(OSError, ValueError):
            for line in self._lines(pairs):
                stream.write(line)
                stream.flush()
            stream.close()

    def _lines(self, pairs: DrawnPairs) -> Iterator[bytes]:
        for number, (user, first, second) in enumerate(zip(pairs.user, pairs.first, pairs.second, strict=True)):
            content = {
                "pair": number,
                "user": self.user_ids[user],
                "first": self.item_ids[first],
                "second": self.item_ids[second],
                "history": [self.item_ids[item] for item in self.histories[user]],
            }
            yield json.dumps(content, ensure_ascii=False).encode() + b"\n"

    def _collect(self, answers: "queue.Queue[bytes | None]", count: int) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """Choices, and which pairs were answered before the output ended."""
        choices, answered, number = np.zeros(count, np.int8), np.zeros(count, bool), 0
        allowed = min(self.timeout, threading.TIMEOUT_MAX)
        end = time.monotonic() + allowed
        # The output is read to its end, so that a second answer is refused wherever it stands.
        while True:
            left = end - time.monotonic()
            try:
                if left <= 0:  # lines that answer nothing, however many, are no answer
                    raise queue.Empty
                line = answers.get(timeout=left)
            except queue.Empty:
                if answered.all():
                    return choices, answered
                raise InvalidInputError(
                    f"{self.words[0]}: gave no answer for {self.timeout:g} seconds, after {int(answered.sum()):,} of "
                    f"{count:,} answers. Flush the output after every line, or allow more time."
                ) from None
            if line is None:
                return choices, answered
            number += 1
            if line.strip():
                pair, choice = self._answer(line, number, answered)
                choices[pair], answered[pair] = choice, True
                end = time.monotonic() + (_SECONDS_TO_END if answered.all() else allowed)

    def _answer(self, line: bytes, number: int, answered: NDArray[np.bool_]) -> tuple[int, int]:
        content: Any = None
        with suppress(ValueError, RecursionError):
            content = json.loads(line)
        pair: Any = content.get("pair") if isinstance(content, dict) else None
        choice = content.get("choice", "") if isinstance(content, dict) else ""
        is_pair = type(pair) is int and 0 <= pair < len(answered)
        if not is_pair or not (choice is None or choice in ("first", "second")):
            shown = line.decode("utf-8", "backslashreplace").strip()
            shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
            raise InvalidInputError(
                f"{self.words[0]}: line {number} of its output is {shown}, expected JSON such as "
                f'{{"pair": 0, "choice": "first"}}, with a pair from 0 to {len(answered) - 1} and the choice "first", '
                '"second" or null.'
            )
        if answered[pair]:
            raise InvalidInputError(f"{self.words[0]}: line {number} of its output answers pair {pair} again.")
        return int(pair), CHOICES[choice]


def _read_lines(stream: IO[bytes], answers: "queue.Queue[bytes | None]") -> None:
    for line in stream:
        answers.put(line)
    answers.put(None)


def _read_end(stream: IO[bytes], complaints: list[bytes]) -> None:
    """Keeps the last bytes of what the program says."""
    for line in stream:
        complaints.append(line)
        while sum(map(len, complaints)) > _STDERR_BYTES and len(complaints) > 1:
            del complaints[0]


def _shown(complaints: Sequence[bytes]) -> str:
    text = " ".join(b"".join(complaints).decode("utf-8", "backslashreplace").split())
    return f" ({text[-_STDERR_BYTES:]})" if text else ""
