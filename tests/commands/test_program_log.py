"""Log lines go to stderr with time and level, results to stdout."""

import logging
import re
import sys
import warnings

import pytest

from tf_metammf.commands.program_log import begin_log


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    logger = logging.getLogger("tf_metammf")
    handlers, level, propagates = list(logger.handlers), logger.level, logger.propagate
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagates


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ({"quiet": True, "verbose": False}, ["WARNING"]),
        ({"quiet": False, "verbose": False}, ["INFO", "WARNING"]),
        ({"quiet": False, "verbose": True}, ["DEBUG", "INFO", "WARNING"]),
    ],
)
def test_a_line_has_time_level_and_message(options, levels, capsys):
    begin_log(**options)
    begin_log(**options)  # a second command in the process does not double the lines
    logger = logging.getLogger("tf_metammf.trainer.replica_training")
    for level in ("debug", "info", "warning"):
        getattr(logger, level)("a %s line", level)
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert [line.split()[2] for line in lines] == levels
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +a \w+ line", line)


def test_a_program_of_its_own_prints_a_line_once_whoever_listens_at_the_root(capsys):
    root, listening = logging.getLogger(), logging.StreamHandler(sys.stderr)
    root.addHandler(listening)
    try:
        begin_log(quiet=False, verbose=False, propagate=False)
        logging.getLogger("tf_metammf.trainer").info("once")
    finally:
        root.removeHandler(listening)
    assert capsys.readouterr().err.count("once") == 1


def test_warnings_become_lines_of_the_log(capsys):
    begin_log(quiet=True, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        begin_log(quiet=True, verbose=False)
        warnings.warn("the checkpoint is damaged", stacklevel=1)
    assert re.search(r"WARNING the checkpoint is damaged\n$", capsys.readouterr().err)
