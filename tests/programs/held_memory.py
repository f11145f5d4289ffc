"""Prints how many bytes TensorFlow holds at most while each of the settings trains: RECORDS SETTINGS...

By the account of TensorFlow's own allocator, one operation at a time: neither the allocator of the system nor the
number of cores has a part in it.
"""

import gc
import json
import os
import sys

os.environ |= {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_CPU_ALLOCATOR_USE_BFC": "true",
    "TF_CPU_BFC_MEM_LIMIT_IN_MB": "4096",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}

import tensorflow as tf

from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.assembly import make_compiled_model
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training_batches import TrainingBatches
from tf_metammf.trainer.training_data import TrainingData

CPU, STEPS = "CPU:0", 3


def held(records: str, settings: dict) -> int:
    before = tf.config.experimental.get_memory_info(CPU)["current"]
    tf.config.experimental.reset_memory_stats(CPU)
    configuration = Configuration.from_mapping(settings)
    record_set = open_record_set(records)
    plan = TrainingPlan.of(configuration, record_set)
    data = TrainingData.of(record_set, plan)
    model = make_compiled_model(plan, data)
    step = tf.function(model.train_step)
    for batch in TrainingBatches(plan, data).beginning_at().take(STEPS):
        step(batch)
    return tf.config.experimental.get_memory_info(CPU)["peak"] - before


def main(records: str, *settings: str) -> None:
    found = []
    for each in settings:
        found.append(held(records, json.loads(each)))
        gc.collect()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
