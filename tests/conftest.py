"""What tests of several parts share."""

import gc
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

# Two processes of tests share the cores, and threads of OpenMP that wait for each other spin: t-SNE of 200 items took
# sixteen times as long. Set before NumPy is imported, which reads them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tf_metammf.fusion.meta_fusion import MetaFusion

# The same examples in every run: a change is not stopped by what it did not touch. tests/fuzzing draws others.
settings.register_profile("suite", derandomize=True)
settings.load_profile("suite")

LONGEST = (
    "test_replicas.py",
    "test_keras_use.py",
    "test_resuming.py",
    "test_stock_tensorflow.py",
    "test_refresh.py",
    "test_documentation.py",
    "test_multi_worker.py",
    "test_tuning.py",
    "test_peers.py",
    "test_comparison.py",
)
"""Files that come first, so that one of two processes does not end with them alone."""


OF_THE_USER = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TF_CONFIG", "MLFLOW_", "WANDB_", "KERASTUNER_")
"""Beginnings of variables that commands follow, and that whoever runs the tests may have set for something else."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Lets the tests run with graphs as users have them."""
    parser.addoption("--optimized-graphs", action="store_true", help="let TensorFlow optimize graphs, as users do")


def pytest_configure(config: pytest.Config) -> None:
    """Gives all tests an environment without the variables of the user, and small graphs as they are traced.

    TensorFlow takes longer to optimize the graph of a small training than to run it. Processes that tests start have
    their graphs optimized, and once a week all tests do.
    """
    for name in [name for name in os.environ if name.startswith(OF_THE_USER)]:
        del os.environ[name]
    starts_others = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not starts_others and not config.getoption("optimized_graphs"):
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take longest; the order within a file stays."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """Spares the garbage collector what every test needs: TensorFlow's modules alone are half a million objects."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists what was skipped by its reason; README.md says how each of them is run."""
    reasons = Counter(reason_of(report) for report in terminalreporter.stats.get("skipped", []))
    if reasons:
        terminalreporter.section("skipped, by reason (README.md: how to run them)")
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count:4}  {reason}")


def reason_of(report: pytest.TestReport) -> str:
    """Why a test, or a file of them, was skipped."""
    _file, _line, reason = report.longrepr
    return reason.removeprefix("Skipped: ")


@pytest.fixture
def assign_published() -> Callable[["MetaFusion", Mapping[str, np.ndarray]], None]:
    """Puts the weights of a published network into a fusion of the same sizes."""
    return _assign_published


def _assign_published(fusion: "MetaFusion", fixture: Mapping[str, np.ndarray]) -> None:
    """Puts the published weights, C' for C, where the layers keep theirs."""
    meta = fusion.meta_information
    values = {}
    for layer in range(1, 5):
        rank = fixture[f"param/layer_{layer}.A"].shape[1]
        collapsed = fixture[f"param/layer_{layer}.C"].reshape(rank, -1).sum(0)
        values[layer] = {
            "static_kernel": fixture[f"param/layer_{layer}.M_1"],
            "factor_a": fixture[f"param/layer_{layer}.A"],
            "factor_b": fixture[f"param/layer_{layer}.B"],
            "factor_c": np.tile(collapsed[:, None], (1, rank)),
        }
    for layer, dense in enumerate(fusion.fusion_layers, start=1):
        for name, value in values[layer].items():
            getattr(dense, name).assign(value)
    meta.hidden_kernel.assign(fixture["param/mlp_signal.0.weight"].T)
    meta.hidden_bias.assign(fixture["param/mlp_signal.0.bias"])
    meta.kernel.assign(fixture["param/mlp_signal.2.weight"].T)
    meta.bias.assign(fixture["param/mlp_signal.2.bias"])
