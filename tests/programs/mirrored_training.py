"""Trains on one device and on two logical CPU devices, with what goes with them: RECORDS CONFIGURATION FOLDER [NAME].

With a name, only that combination.

One process for all, as devices cannot be made anew once TensorFlow has started.
"""

import os
import signal
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.configuration.configuration import load_configuration
from tf_metammf.trainer.runs.checkpointing import Checkpointing
from tf_metammf.trainer.training import train

COMBINATIONS: dict[str, dict[str, Any]] = {
    "plain": {"deterministic": True},
    "warm": {"init_from": "plain none", "jit_compile": True, "mixed_precision": "float16", "tensorboard": "all"},
}
INTERRUPTED_AT = 7
"""The step, in the second epoch of five steps each."""


def main(records: str, file: str, folder: str, only: str | None = None) -> None:
    # As in the tests' own process: optimizing the graphs of small trainings takes longer than to run them.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    base, record_set = load_configuration(file), open_record_set(records)

    def run(name: str, **settings: Any) -> None:
        configuration = deepcopy(base)
        for field, value in settings.items():
            setattr(configuration.training, field, value)
        train(record_set, Path(folder) / name, configuration, verbose=0)

    for name, settings in COMBINATIONS.items():
        if only not in (None, name):
            continue
        if "init_from" in settings:
            settings["init_from"] = str(Path(folder) / settings["init_from"])
        for strategy in ("none", "mirrored"):
            run(f"{name} {strategy}", strategy=strategy, **settings)
    if only is not None:
        return
    Checkpointing.on_train_batch_end = terminated
    try:
        run("interrupted", strategy="mirrored", **COMBINATIONS["plain"])
    except SystemExit as left:
        print(f"left with {left.code}")
    Checkpointing.on_train_batch_end = count
    run("interrupted", strategy="mirrored", **COMBINATIONS["plain"])


def terminated(checkpointing: Checkpointing, batch: int, logs: dict[str, Any] | None = None) -> None:
    """Sends SIGTERM to this process in the step."""
    if checkpointing.state.step + 1 == INTERRUPTED_AT:
        os.kill(os.getpid(), signal.SIGTERM)
    count(checkpointing, batch, logs)


count = Checkpointing.on_train_batch_end

if __name__ == "__main__":
    main(*sys.argv[1:])
