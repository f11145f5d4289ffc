"""What an import does and does not."""

import subprocess
import sys

import pytest

import tf_metammf


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="MetaMF"):
        tf_metammf.MetaMF  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    ["import tf_metammf", "from tf_metammf import records, trainer, export", "import tf_metammf.commands.main"],
)
def test_an_import_loads_neither_tensorflow_nor_numpy(statement):
    program = f"{statement}; import sys; print([n for n in ('tensorflow', 'tf_keras', 'numpy') if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_an_import_asks_for_keras_2_unless_the_user_has_chosen():
    program = "import os, tf_metammf; print(os.environ['TF_USE_LEGACY_KERAS'])"
    environment = {"PATH": ""}
    for given, expected in (({}, "1"), ({"TF_USE_LEGACY_KERAS": "0"}, "0")):
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment | given
        )
        assert ran.stdout.strip() == expected
