"""The programs of examples/ run as they stand."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize("program", sorted(EXAMPLES.glob("*.py")), ids=lambda program: program.name)
def test_an_example_runs_to_its_end(program, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)  # where Python looks first when it runs a program
    monkeypatch.setattr(sys, "argv", [str(program), str(tmp_path)])
    runpy.run_path(str(program), run_name="__main__")
    assert capsys.readouterr().out
