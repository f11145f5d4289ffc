"""What ``--version`` prints."""

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import tensorflow as tf

import tf_metammf
from tf_metammf.commands.main import main
from tf_metammf.commands.versions import versions
from tf_metammf.trainer.runs import environment


def test_versions_are_those_of_what_is_loaded_in_one_line_at_any_width(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"tf-metammf {tf_metammf.__version__} (Python {platform.python_version()}, ")
    assert f"tensorflow {tf.__version__}, " in line and f"numpy {np.__version__}, " in line


def test_a_missing_package_is_called_missing(monkeypatch):
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", absent)
    assert "tf-keras missing, " in versions()


def test_versions_do_not_wait_for_tensorflow():
    program = (
        "import sys; from tf_metammf.commands.versions import versions; versions(); print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
