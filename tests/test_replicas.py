"""Replicas that share a batch take the step that one device takes with all of it.

Here two logical CPU devices, and two processes on loopback.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from loopback_cluster import addresses_of, cluster
from preloaded_process import run_preloaded

OF_DEVICES = [("in_batch_softmax", "mf"), ("in_batch_softmax", "lightgcn"), ("preference", "mf")]
CASES = [("both_directions", "mf"), ("full_softmax", "mf"), ("bpr", "mf")]
CASES += [("in_batch_softmax", "sage"), ("in_batch_softmax", "lightgcn without targets")]
CASES += [(objective, "mf with weights") for objective in ("both_directions", "full_softmax", "bpr")]
SHARINGS = [("devices", *case) for case in OF_DEVICES + CASES] + [("processes", *case) for case in CASES]

PROGRAM = Path(__file__).parent / "programs" / "replica_steps.py"


@pytest.fixture(scope="module")
def devices():
    """Loss and weights after a step on one device and on two, by objective and encoder, of a process of its own:

    devices cannot be made anew once TensorFlow has started.
    """
    ran = run_preloaded([PROGRAM])
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """The same of two processes, as the first of them has it."""
    folder = tmp_path_factory.mktemp("processes")
    with cluster([PROGRAM], addresses_of({"worker": 2}), folder=folder) as started:
        assert started["worker", 0].wait(timeout=600) == 0, (folder / "worker-0.err").read_text()
    return json.loads((folder / "worker-0.out").read_text().splitlines()[-1])


@pytest.mark.parametrize(("sharing", "objective", "encoder"), SHARINGS)
def test_loss_and_weights_are_those_of_one_device(sharing, objective, encoder, devices, request):
    one = devices[f"{objective} {encoder} 1"]
    two = request.getfixturevalue(sharing)[f"{objective} {encoder} 2"]
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-5)
    np.testing.assert_allclose(two["evaluated"], one["evaluated"], rtol=1e-5)
    for found, expected in zip(two["weights"], one["weights"], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    moved = [
        not np.allclose(weight, start, atol=1e-4) for weight, start in zip(one["weights"], one["start"], strict=True)
    ]
    # Nothing is absent, so stand-ins and the kernel of absences have no gradient.
    assert moved.count(False) <= 2


def test_steps_of_preferences_have_the_losses_and_metrics_of_one_device(devices):
    one, two = (devices[f"preference mf {count}"] for count in (1, 2))
    assert len({round(loss, 3) for loss in [one["loss"], *one["later"]]}) == 3
    np.testing.assert_allclose(two["later"], one["later"], rtol=1e-5)
    assert one["logged"].keys() == {"pair_loss", "pair_accuracy", "chosen_residual", "rejected_residual"}
    assert two["logged"] == pytest.approx(one["logged"], rel=1e-4)
