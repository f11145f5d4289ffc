"""Trains configurations on two logical CPU devices, one after another: RECORDS FOLDER NAME=CONFIGURATION ...

A NAME that is there already goes on, with the configuration that is given.
"""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.configuration import load_configuration
from tf_metammf.trainer.training import train


def main(records: str, folder: str, *runs: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for name, _, file in (run.partition("=") for run in runs):
        train(open_record_set(records), Path(folder) / name, load_configuration(file), resume="force", verbose=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
