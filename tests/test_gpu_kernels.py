"""Training steps consist of operations that GPUs have kernels for, as the registry in TensorFlow's wheel says."""

from itertools import cycle

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from gpu_kernels import operations_without_gpu_kernel
from package_parts import ENCODERS, FUSIONS, WITHOUT_GRAPH

from tf_metammf import BPR, FullSoftmax, FusedAdam, InBatchSoftmax, InteractionGraph, LazyAdam, MetaMMF
from tf_metammf.objectives.objectives import NoObjective

USERS, ITEMS = 8, 6
FREQUENCY = np.ones(ITEMS, np.int64)
OBJECTIVES = {
    "in_batch_softmax": lambda: InBatchSoftmax(FREQUENCY, temperature=0.5),
    "both_directions": lambda: InBatchSoftmax(FREQUENCY, user_frequency=np.ones(USERS), item_to_user_weight=1.0),
    "full_softmax": lambda: FullSoftmax(FREQUENCY),
    "bpr": BPR,
}
OPTIONS = {"lightgcn": {"exclude_targets": True, "item_neighbours": 2, "edge_dropout": 0.1}, "sage": {"dropout": [0.1]}}
"""What makes a step of an encoder as large as it can be."""


def step(model: MetaMMF, optimizer: keras.optimizers.Optimizer | None = None) -> tf.compat.v1.GraphDef:
    """The graph of a training step."""
    model.compile(optimizer=optimizer or FusedAdam(0.01))
    model.optimizer.build(model.trainable_variables)
    batch = {
        "user": tf.TensorSpec([None], tf.int64),
        "item": tf.TensorSpec([None], tf.int64),
        "negative": tf.TensorSpec([None, 2], tf.int64),
    }
    return tf.function(model.train_step).get_concrete_function(batch).graph.as_graph_def()


def make(*, encoder: str = "mf", fusion: str | None = "metammf", objective: str = "bpr", **options) -> MetaMMF:
    random = np.random.default_rng(0)
    features = {name: random.normal(size=(ITEMS, width)) for name, width in (("visual", 4), ("acoustic", 3))}
    graph = InteractionGraph(np.arange(ITEMS), np.arange(ITEMS), users=USERS, items=ITEMS)
    return MetaMMF(
        USERS,
        features,
        NoObjective() if encoder == "bm3" else OBJECTIVES[objective](),
        presence={"acoustic": np.arange(ITEMS) > 0},
        item_frequency=FREQUENCY,
        fusion=fusion,
        encoder=encoder,
        encoder_options=({} if encoder in WITHOUT_GRAPH else {"graph": graph}) | OPTIONS.get(encoder, {}),
        modality_dropout=0.1,
        id_dropout=0.1,
        l2=0.1,
        normalize=True,
        combination="concatenate",
        **options,
    )


@pytest.mark.parametrize("encoder", sorted({*ENCODERS} - {"mf"}))  # fusions and objectives below have the encoder mf
def test_the_step_of_every_encoder_runs_on_a_gpu(encoder):
    assert operations_without_gpu_kernel(step(make(encoder=encoder))) == set()


# One graph for each pair: a step has all operations of its fusion and all of its objective.
@pytest.mark.parametrize(("fusion", "objective"), list(zip(FUSIONS, cycle(OBJECTIVES))))
def test_the_step_of_every_fusion_and_of_every_objective_runs_on_a_gpu(fusion, objective):
    assert len(FUSIONS) >= len(OBJECTIVES)
    made = make(fusion=fusion, objective=objective)
    assert operations_without_gpu_kernel(step(made, LazyAdam(0.01, lazy_rows=4))) == set()


@pytest.mark.parametrize(("encoder", "policy"), [("lightgcn", "mixed_float16"), ("mf", "mixed_bfloat16")])
def test_the_step_with_16_bits_runs_on_a_gpu(encoder, policy):
    assert operations_without_gpu_kernel(step(make(encoder=encoder, dtype=policy))) == set()


def test_an_operation_that_gpus_have_no_kernel_for_is_found_in_a_nested_function():
    @tf.function
    def inner(numbers: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.UniqueV2(x=numbers, axis=[0]).y

    outer = tf.function(lambda numbers: tf.cond(tf.size(numbers) > 1, lambda: inner(numbers), lambda: numbers))
    graph = outer.get_concrete_function(tf.TensorSpec([None], tf.int64)).graph.as_graph_def()
    assert {name.partition("(")[0] for name in operations_without_gpu_kernel(graph)} == {"UniqueV2"}
