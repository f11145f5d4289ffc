"""The programs and notebooks of examples/ run as they stand."""

import json
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.long
@pytest.mark.parametrize("program", sorted(EXAMPLES.glob("*.py")), ids=lambda program: program.name)
def test_an_example_runs_to_its_end(program, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)  # where Python looks first when it runs a program
    monkeypatch.setattr(sys, "argv", [str(program), str(tmp_path)])
    runpy.run_path(str(program), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda notebook: notebook.name)
def test_the_cells_of_a_notebook_run_in_their_order_and_draw(notebook, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)  # where Jupyter starts its kernel
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells), "the notebook is kept without outputs"
    plt.switch_backend("agg")
    try:
        names: dict[str, object] = {}
        for cell in cells:
            exec(compile("".join(cell["source"]), f"{notebook.name}[{cell['id']}]", "exec"), names)
        drawn = [axes.has_data() for number in plt.get_fignums() for axes in plt.figure(number).axes]
        assert drawn and all(drawn)
    finally:
        plt.close("all")
    assert capsys.readouterr().out
