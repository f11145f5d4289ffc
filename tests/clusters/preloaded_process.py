"""The command as a process of its own that begins with everything imported.

It is forked from a process that does nothing but import, for importing TensorFlow takes longer than a small training.
It leaves without what Python does at its end, so a test of endings starts the command from nothing.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tf_metammf.commands.main", "tf_metammf.trainer.training"])


def start_preloaded(words: Sequence[str]) -> ForkServerProcess:
    """Starts ``tf-metammf`` with these words; nothing that it prints is kept."""
    process = _CONTEXT.Process(target=_run, args=(list(words),), daemon=True)
    process.start()
    return process


def _run(words: list[str]) -> None:
    from tf_metammf.commands.main import main

    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    sys.exit(main(words))
