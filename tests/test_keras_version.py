"""The package runs on Keras 2 and says so where it cannot; each case in a separate process."""

import os
import subprocess
import sys

import pytest

from tf_metammf.layers.keras_version import require_keras_2

KERAS_3_FIRST = "import tensorflow as tf; tf.keras.layers; "
REQUIRE = """
from tf_metammf.errors import MetaMMFError
from tf_metammf.layers.keras_version import require_keras_2
try:
    require_keras_2()
except MetaMMFError as error:
    print("REFUSED", error)
try:
    from tf_metammf.model import MetaMMF
except MetaMMFError as error:
    print("MODEL REFUSED", error)
"""


@pytest.fixture(scope="module")
def refusals() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    cases = {
        "keras 3 first": (KERAS_3_FIRST + REQUIRE, environment),
        "variable is 0": (REQUIRE, environment | {"TF_USE_LEGACY_KERAS": "0"}),
    }
    processes = {
        case: subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)
        for case, (code, env) in cases.items()
    }
    return {case: process.communicate(timeout=300)[0] for case, process in processes.items()}


def test_keras_2_is_accepted():
    assert require_keras_2() is None


@pytest.mark.long
@pytest.mark.parametrize(("case", "setting"), [("keras 3 first", '"1"'), ("variable is 0", '"0"')])
def test_keras_3_is_refused_with_its_version_and_what_to_do(refusals, case, setting):
    message = refusals[case]
    assert message.startswith("REFUSED tf.keras is Keras 3.")
    assert f"TF_USE_LEGACY_KERAS is now {setting}" in message
    assert "expected Keras 2" in message
    assert "Import tf_metammf before tf.keras is first used" in message
    assert "TF_USE_LEGACY_KERAS=1" in message
    assert "MODEL REFUSED tf.keras is Keras 3." in message
