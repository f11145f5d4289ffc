"""Commands and programs as processes of their own that begin with everything imported.

They are forked from a process that imports and does nothing else, which takes longer than a small training. TensorFlow
has not started in it: devices, threads and the variables of the environment are those of each process. A test of how a
command starts, or of what it imports, starts it from nothing.
"""

import atexit
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from unittest.mock import patch

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "tf_metammf.commands.main",
        "tf_metammf.trainer.training",
        "tf_metammf.trainer.watching.training_curve",
        "tf_metammf.trainer.search.tuning",
        "tf_metammf.export.saved_model",
        "tensorboard.plugins.hparams.summary",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
    ]
)


class PreloadedProcess:
    """A process with what the tests need of :class:`subprocess.Popen`.

    Args:
        words: Words of ``tf-metammf``; or a program, a path that ends with ``.py``, and its words; or ``-c`` and code.
        environment: Variables of the environment; by default those of this process.
        folder: Its working directory; by default that of this process.
        out: Gets what it prints; by default nothing is kept.
        err: Gets its errors; by default nothing is kept.
    """

    def __init__(
        self,
        words: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        out: Path | None = None,
        err: Path | None = None,
    ) -> None:
        variables = dict(os.environ if environment is None else environment)
        streams = str(out or os.devnull), str(err or os.devnull)
        words = [str(word) for word in words]
        _start_server()
        self._process = _CONTEXT.Process(target=_run, args=(words, variables, str(folder or Path.cwd()), *streams))
        self._process.daemon = True
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end and returns the exit code."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(f"process {self._process.pid}", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self._process.exitcode is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Ends it at once, if it runs."""
        self.send_signal(signal.SIGKILL)
        self._process.join()


def run_preloaded(words: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    """Runs a process to its end, as ``subprocess.run(..., capture_output=True, text=True)`` does."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        code = PreloadedProcess(words, out=out, err=err, **options).wait()
        return subprocess.CompletedProcess(words, code, *(file.read_text(errors="replace") for file in (out, err)))


def _start_server() -> None:
    """Starts the process that is forked, unless it runs; it imports modules of this folder too."""
    found = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, found))):
        forkserver.ensure_running()


def _run(words: list[str], environment: dict[str, str], folder: str, *streams: str) -> None:
    gc.freeze()  # what was imported before the fork: going through it takes a third of the time of an export
    gc.set_threshold(20_000, 20, 20)
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(streams, start=1):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    try:
        _begin(words)
    finally:
        atexit._run_exitfuncs()


def _begin(words: list[str]) -> None:
    if words[0] == "-c":
        exec(compile(words[1], "<code>", "exec"), {"__name__": "__main__"})
    elif words[0].endswith(".py"):
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
    else:
        from tf_metammf.commands.main import main

        sys.argv = ["tf-metammf", *words]
        sys.exit(main(words))


# Waited for, so that the time its processes took is part of that of the test run.
atexit.register(lambda: forkserver._forkserver._stop())
