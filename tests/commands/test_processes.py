"""Processes that are started in a poor environment: other encodings, closed streams, no working directory."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import MetaMMFError
from tf_metammf.layers.keras_version import require_keras_2

PROGRAM = [sys.executable, "-m", "tf_metammf.commands.main"]


def ran(*words: object, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs the program; ``shell`` redirects its streams."""
    command = ["sh", "-c", f'exec "$@" {shell}', "sh", *PROGRAM, *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})


def line(finished: subprocess.CompletedProcess[bytes]) -> str:
    """The one line of a program that was refused."""
    assert finished.returncode == 2
    (only,) = finished.stderr.decode().splitlines()
    return only.removeprefix("tf-metammf: error: ")


def test_characters_that_the_encoding_lacks_are_escaped(tmp_path):
    folder = tmp_path / "ü中"
    folder.mkdir()
    printed = ran("runs", folder, PYTHONIOENCODING="latin-1")
    assert (printed.returncode, printed.stderr) == (0, b"")
    assert r"ü\u4e2d: 0 runs" in printed.stdout.decode("latin-1")
    refused = ran("runs", tmp_path / "中", PYTHONIOENCODING="ascii")
    assert r"\u4e2d: is no" in line(refused)


def test_a_locale_without_the_characters_of_a_path_is_named(tmp_path):
    refused = ran("runs", tmp_path / "ü", LC_ALL="C", PYTHONUTF8="0")
    assert "Set PYTHONUTF8=1, or LC_ALL to a locale with UTF-8" in line(refused)


def test_python_without_docstrings_runs_what_needs_no_keras_and_refuses_the_rest(tmp_path, monkeypatch):
    assert b"0 runs" in ran("runs", tmp_path, PYTHONOPTIMIZE="2").stdout
    assert b"--learning_rate" not in ran("train", "--help", PYTHONOPTIMIZE="2").stderr
    monkeypatch.setattr("tf_metammf.layers.keras_version.sys", SimpleNamespace(flags=SimpleNamespace(optimize=2)))
    with pytest.raises(MetaMMFError, match="Start Python with PYTHONOPTIMIZE=1 at most"):
        require_keras_2()


@pytest.mark.parametrize("shell", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_those_of_dev_null(shell, tmp_path):
    finished = ran("runs", tmp_path, shell=shell)
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert ran("runs", tmp_path / "nowhere", shell=shell).returncode == 2


def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path):
    code = (
        "import os; from tf_metammf.commands.standard_streams import prepare_standard_streams as prepare; prepare();"
        f"file = os.open({str(tmp_path / 'file')!r}, os.O_CREAT | os.O_WRONLY); os.write(2, b'log'); assert file > 2"
    )
    words = ["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", sys.executable, "-c", code]
    assert subprocess.run(words, check=False).returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_stdout_that_cannot_be_written_is_told(tmp_path):
    assert "No space left on device" in line(ran("runs", tmp_path, shell="> /dev/full"))


def test_a_reader_that_is_gone_is_no_error():
    with subprocess.Popen([*PROGRAM, "train", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_working_directory_that_is_gone_is_told(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert main(["runs", str(tmp_path)]) == 2
    assert "the working directory no longer exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "expected"),
    [("a\0b", "has a zero byte"), ("\udcff", r"'\\xff' is not UTF-8 text, which TensorFlow needs")],
)
def test_arguments_that_no_file_can_have_are_refused(word, expected, capsys):
    assert main(["evaluate", "--run", word]) == 2
    assert expected in capsys.readouterr().err


def test_a_home_that_is_not_there_is_no_error(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    finished = subprocess.run(
        [*PROGRAM, "runs", str(tmp_path)], capture_output=True, check=False, env={**environment, "TMPDIR": "/nowhere"}
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
