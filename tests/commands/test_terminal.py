"""What commands print: whole, as text, on terminals of any width and where there is none."""

import io
import json
import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.commands import recommend
from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.main import COMMANDS, GROUPS, _purpose, main
from tf_metammf.commands.metric_table import print_metrics
from tf_metammf.commands.next_command import print_next
from tf_metammf.export.answers import Recommendations
from tf_metammf.records.console import LEAST_WIDTH, NO_TERMINAL_WIDTH, make_console, visible
from tf_metammf.records.progress import progress
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.configuration_files import preset_names

NAME = "[lr=0.1] x :smile: [/]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def runs(tmp_path):
    """A folder with a run of an odd name, which never came to write its state."""
    run = tmp_path / "[red]runs" / NAME.replace("/", "")
    run.mkdir(parents=True)
    (run / "configuration.yaml").write_text(Configuration().to_yaml())
    (run / "records.json").write_text("{}")
    return run.parent


ENVIRONMENTS = [
    *({"COLUMNS": columns} for columns in ("", "0", "1", "-5", "many", "²", "9" * 5000)),
    {"TERM": "dumb"},
    {"TERM": ""},
    {"NO_COLOR": "1"},
    {"LINES": "0"},
]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda each: "{}={:.5}".format(*next(iter(each.items()))))
@pytest.mark.parametrize("terminal", [False, True])
def test_a_table_is_printed_whatever_the_environment_says_of_the_terminal(
    environment, terminal, runs, monkeypatch, capsys
):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["runs", str(runs)]) == 0
    printed = stream.getvalue()
    if not terminal:
        assert "[lr=0.1] x :smile: []" in printed and f"{runs}: 1 runs" in printed
    assert "failed" in printed.replace("\n", "")
    with pytest.raises(SystemExit, match="0"):
        main(["runs", "--help"])
    assert "--json" in stream.getvalue()


def test_colours_are_for_terminals_and_for_those_who_force_them(runs, monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["runs", str(runs)])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")
    main(["runs", str(runs)])
    forced = capsys.readouterr().out
    assert "\x1b" in forced and "[lr=0.1] x :smile: []" in forced


@pytest.mark.parametrize(("columns", "width"), [("50", 50), ("1", 80), ("0", 80), ("wide", 80), (str(10**6), 80)])
def test_a_terminal_is_as_wide_as_columns_says_if_it_can_be_believed(columns, width, monkeypatch):
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", columns)
    assert make_console().width == width >= LEAST_WIDTH
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert make_console().width == NO_TERMINAL_WIDTH


def test_no_stdout_at_all_is_not_an_error(runs, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    make_console().print("lost")
    assert not make_console().is_terminal


ITEMS = [f"{'x' * 70}[/b]{last:03}" for last in range(3)]


@pytest.fixture
def recommended():
    return [Recommendations("[bold]u\x1b1", False, ITEMS, np.array([3.0, 2.0, 1.0], np.float32))]


def test_ids_are_whole_where_there_is_no_terminal(recommended, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    recommend._print_table(recommended)
    printed = capsys.readouterr().out
    for item in ITEMS:
        assert item in printed.split()
    assert r"[bold]u\x1b1 (unknown: popular items)" in printed


def test_ids_go_on_in_the_next_line_of_a_narrow_terminal(recommended, monkeypatch):
    monkeypatch.setattr("sys.stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    recommend._print_table(recommended)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    cells = "".join(line.split("│")[3].strip() for line in lines if line.count("│") > 4)
    assert "".join(ITEMS) == cells


def test_the_title_of_metrics_is_text(capsys):
    print_metrics({"test": {"recall@20": 0.5}}, {}, title=f"runs/{NAME}")
    assert f"runs/{NAME}" in capsys.readouterr().out


def test_control_characters_are_visible():
    assert visible("a\tb\nc\x1b[31m\u2028é[x]") == r"a\tb\nc\x1b[31m\u2028é[x]"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_is_valid_in_every_encoding_and_has_no_nan(encoding, monkeypatch):
    content = {"ü 中 😀": [float("nan"), float("inf"), 1.5, None, ("a", True)], "\udcff": {"x": -0.0}}
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    print_json(content)
    stream.flush()
    expected = {"ü 中 😀": [None, None, 1.5, None, ["a", True]], "\udcff": {"x": -0.0}}
    assert json.loads(stream.buffer.getvalue().decode(encoding)) == expected


def test_json_is_all_that_stdout_gets(runs, capsys):
    assert main(["runs", "--json", "--verbose", str(runs)]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert run["state"] == "failed" and run["folder"].endswith("[lr=0.1] x :smile: []")


def test_a_progress_bar_is_drawn_on_terminals_alone(monkeypatch):
    for stream in (io.StringIO(), None):
        monkeypatch.setattr("sys.stderr", stream)
        assert list(progress([1, 2], "[b]reading", show=True)) == [1, 2]
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert list(progress([1, 2], "[b]reading", show=True)) == [1, 2]
    assert "[b]reading" in terminal.getvalue()


IN_GROUPS = [[group, name] for group, (_, names, _) in GROUPS.items() for name in names]
EVERY_COMMAND = [*([name] for name in COMMANDS), *IN_GROUPS, *([group] for group in GROUPS), []]


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_help_fits_80_columns_and_has_no_markup_of_code(words, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--help"])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert " ".join(["usage: tf-metammf", *words]) in printed
    for noise in ("<class", "``", ":func:", "Optional[", "tuple[", "%(", "==SUPPRESS=="):
        assert noise not in printed


def test_the_help_of_train_lists_every_preset(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    words = capsys.readouterr().out.replace("-\n", "-").replace("\n", " ").replace(".", ",").split()
    printed = "".join(words)
    for name in preset_names():
        assert f"{name}," in printed


def test_a_table_into_a_pipe_without_a_reader_does_not_end_the_program(monkeypatch):
    """The command line takes this error for success; rich would exit with 1."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(BrokenPipeError):
            make_console().print("lost")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), pipe.fileno())


def test_the_next_command_is_printed_on_a_terminal_alone(monkeypatch, capsys):
    print_next("export", "--run", Path("my run"))
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_next("export", "--run", Path("my run"))
    assert "next: tf-metammf export --run 'my run'" in capsys.readouterr().out


@pytest.mark.parametrize("name", [*COMMANDS, *map("-".join, IN_GROUPS)])
def test_the_purpose_of_a_command_is_the_first_line_of_its_docstring(name):
    module = import_module(f"tf_metammf.commands.{name.replace('-', '_')}")
    assert _purpose(name) == module.__doc__.partition("\n")[0]
