"""How much memory training takes.

Everything follows from the plan of the training, before anything is read; no TensorFlow is imported here. The factors
are numbers of tensors that live at once, checked against what TensorFlow's own allocator holds and against the growth
of processes (``python -m benchmarks.memory``), which allocator, threads and kernel have a part in. TensorFlow and its
libraries take about 0.7 GB on top, and ranking a split up to 0.1 GB between epochs.
"""

from dataclasses import asdict, dataclass

from tf_metammf.trainer.planning.model_size import (
    FLOAT_BYTES,
    dense_weights,
    embedding_values,
    graph_bytes,
    propagated_bytes,
    representation_width,
    training_edges,
)
from tf_metammf.trainer.planning.training_plan import TrainingPlan

_PIPELINE_BUDGET = 2**30


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that training takes, by what takes them.

    Attributes:
        features: The features of all items, as arrays and on the device.
        weights: Embeddings and dense weights, with Adam's two moments.
        interactions: The training interactions, the input pipeline and its samplers.
        graph: Edges of the interaction graph, for both directions.
        step: The largest of what a step holds at one time: activations and their gradients while fusing and
            propagating, the scores of the objective, the gradients of the embeddings in the update, or, before the
            first step, the values that the largest table begins with.
    """

    features: int
    weights: int
    interactions: int
    graph: int
    step: int

    @property
    def parts(self) -> dict[str, int]:
        """Bytes by part."""
        return asdict(self)

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(self.parts.values())


def training_memory(plan: TrainingPlan) -> TrainingMemory:
    """An estimate of what a training process holds at most, beyond TensorFlow itself.

    With ``F`` feature values an item, ``H`` hidden values of the extractor, ``U`` the sum of the widths of the fusion
    layers, ``d`` the width of the representation, ``W`` dense weights, ``T`` embedding values, ``n`` training
    interactions of ``c`` columns, ``E`` edges, batches of ``B`` and ``L`` layers of propagation:

    * features: ``8 items F`` of the modalities in use, or ``8 items`` where they are read for every batch;
    * weights: ``12 (W + T)``;
    * interactions: ``n (24 c + 24)``, and ``120 n`` where negatives are sampled;
    * graph: ``60 E``, and ``40 E`` more where neighbourhoods are sampled, or ``20 E`` where a step on the whole graph
      leaves out the edges of its batch;
    * step: the largest of fusion and propagation together, of what the objective adds to what they keep for the
      backward pass, of the update, ``12 T + 4 W``, of lazily updated tables only for the rows of the step, and of the
      values that the larger table and its moments are created from, ``4 max(T_users, T_items)``.

    Fusing takes ``4 rows (3 F + 2 H + 3 U)``, with full tensors ``4 rows (3 F + 2 H + (3 + 2 S) U)``, without meta
    information ``4 rows (3 F + 2 U)``, of which two fifths are kept; the rows are the items of a batch, or all
    items with a graph encoder or full softmax. Propagating takes ``4 (users + items) d (4 L + 4)`` with sage and
    ``24 (users + items) d`` with lightgcn, in-batch softmax ``8 B D`` for the ``D`` distinct items of a batch, in
    both directions ``8 B (D + V)`` with its ``V`` distinct users, full softmax ``8 B items``.

    Raises:
        InvalidInputError: As :attr:`TrainingPlan.fan_outs`.
    """
    model, metadata = plan.configuration.model, plan.metadata
    fusion = FLOAT_BYTES * _fused_rows(plan) * model.fusion.activation_count(plan.fused_values)
    dense = dense_weights(model, plan.feature_width)
    return TrainingMemory(
        features=8 * metadata.items if plan.streams_features else 2 * plan.feature_bytes,
        weights=3 * FLOAT_BYTES * (dense + embedding_values(model, metadata)),
        interactions=_interaction_bytes(plan),
        graph=graph_bytes(model, metadata, sampled=plan.fan_outs is not None),
        step=max(
            fusion + _propagation_bytes(plan),
            2 * fusion // 5 + _objective_bytes(plan),
            FLOAT_BYTES * (_update_values(plan) + dense),
            FLOAT_BYTES * max(metadata.users * representation_width(model), metadata.items * model.id_units),
        ),
    )


def _update_values(plan: TrainingPlan) -> int:
    """Values that an update of the embeddings holds: three for each that is updated."""
    model, lazy_rows = plan.configuration.model, plan.lazy_rows
    users, items = plan.metadata.users, plan.metadata.items
    if lazy_rows is not None:
        used = plan.batch_size if plan.fan_outs is None else _sampled_nodes(plan, plan.fan_outs)[0][0]
        users = users if users < lazy_rows else min(users, used)
        items = items if items < lazy_rows else _fused_rows(plan)
    return 3 * (users * representation_width(model) + items * model.id_units)


def _interaction_bytes(plan: TrainingPlan) -> int:
    columns, interactions = 2 + plan.metadata.timestamps + plan.metadata.weights, training_edges(plan.metadata)
    # Beyond its budget the pipeline streams.
    pipeline = min(interactions * (16 * columns + 24), _PIPELINE_BUDGET)
    sampler = 120 * interactions if plan.configuration.objective.samples_negatives else 0
    return interactions * 8 * columns + pipeline + sampler


def _fused_rows(plan: TrainingPlan) -> int:
    """Items that a step fuses at most."""
    if plan.configuration.objective.needs_all_items or plan.trains_on_whole_graph:
        return plan.metadata.items
    if plan.fan_outs is None:
        return min(plan.metadata.items, _batch_items(plan) + _history_items(plan))
    return _sampled_nodes(plan, plan.fan_outs)[0][1]


def _batch_items(plan: TrainingPlan) -> int:
    return plan.batch_size * (1 + plan.configuration.objective.negatives_per_positive)


def _history_items(plan: TrainingPlan) -> int:
    """Items in the histories of the users of a batch at most."""
    model = plan.configuration.model
    return plan.batch_size * model.history_items if model.has_histories else 0


def _propagation_bytes(plan: TrainingPlan) -> int:
    model, fan_outs = plan.configuration.model, plan.fan_outs
    if not model.encoder.graph:
        return 0
    if fan_outs is None:
        return propagated_bytes(model, plan.metadata)
    nodes = _sampled_nodes(plan, fan_outs)
    gathered = sum(fan_out * sum(layer) for fan_out, layer in zip(fan_outs, nodes[1:], strict=True))
    return FLOAT_BYTES * representation_width(model) * (4 * sum(nodes[0]) + 3 * gathered)


def _sampled_nodes(plan: TrainingPlan, fan_outs: list[int]) -> list[tuple[int, int]]:
    """Users and items of every layer at most, from layer 0 to the last."""
    metadata = plan.metadata
    users, items = min(metadata.users, plan.batch_size), min(metadata.items, _batch_items(plan))
    nodes = [(users, items)]
    for fan_out in reversed(fan_outs):
        users, items = (
            min(metadata.users, users + fan_out * items),
            min(metadata.items, items + fan_out * users),
        )
        nodes.append((users, items))
    return nodes[::-1]


def _objective_bytes(plan: TrainingPlan) -> int:
    return plan.configuration.objective.step_bytes(
        batch_size=plan.batch_size,
        users=plan.metadata.users,
        items=plan.metadata.items,
        width=representation_width(plan.configuration.model),
    )
