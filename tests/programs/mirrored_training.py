"""Trains the same configuration on one device and on two logical CPU devices: RECORDS CONFIGURATION FOLDER."""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.configuration import load_configuration
from tf_metammf.trainer.training import train


def main(records: str, file: str, folder: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    configuration = load_configuration(file)
    for strategy in ("none", "mirrored"):
        configuration.training.strategy = strategy
        train(open_record_set(records), Path(folder) / strategy, configuration, verbose=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
