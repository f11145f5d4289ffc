"""How much memory training takes, and whether the whole graph fits into a step.

Everything follows from the configuration and ``metadata.json``, before anything is read; no TensorFlow is imported
here. The factors are numbers of tensors that live at once, checked against what TensorFlow's own account of a step
says (``tests/trainer/test_memory.py``) and against the growth of processes (``python -m benchmarks.memory``), which
allocator, threads and kernel have a part in. TensorFlow and its libraries take about 0.7 GB on top, and ranking a
split up to 0.1 GB between epochs.
"""

from dataclasses import asdict, dataclass

from tf_metammf.errors import InvalidInputError
from tf_metammf.parts.parts import known_parts
from tf_metammf.records.metadata import Metadata
from tf_metammf.trainer.configuration.configuration import Configuration, ModelConfiguration

DEFAULT_FAN_OUT = 10
"""Neighbours of a node in each layer, where the whole graph is beyond the budget and nothing else is said."""

_FLOAT = 4
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
            propagating, the scores of the objective, or the gradients of the embeddings in the update.
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


def training_step_bytes(configuration: Configuration, metadata: Metadata) -> int:
    """An estimate of what a training process holds at most, beyond TensorFlow itself; see :func:`training_memory`."""
    return training_memory(configuration, metadata).total


def training_memory(configuration: Configuration, metadata: Metadata) -> TrainingMemory:
    """An estimate of what a training process holds at most, beyond TensorFlow itself, within a fifth.

    With ``F`` feature values an item, ``H`` hidden values of the extractor, ``U`` the sum of the widths of the fusion
    layers, ``d`` the width of the representation, ``W`` dense weights, ``T`` embedding values, ``n`` training
    interactions of ``c`` columns, ``E`` edges, batches of ``B`` and ``L`` layers of propagation:

    * features: ``8 items F``, or ``8 items`` where they are read for every batch;
    * weights: ``12 (W + T)``;
    * interactions: ``n (24 c + 24)``, and ``120 n`` where negatives are sampled;
    * graph: ``60 E``, and ``40 E`` more where neighbourhoods are sampled, or ``20 E`` where a step on the whole graph
      leaves out the edges of its batch;
    * step: the largest of fusion and propagation together, of what the objective adds to what they keep for the
      backward pass, and of the update, ``12 T + 4 W``, of lazily updated tables only for the rows of the step.

    Fusing takes ``4 rows (3 F + 2 H + 3 U)``, with full tensors ``4 rows (3 F + 2 H + (3 + 2 S) U)``, without meta
    information ``4 rows (3 F + 2 U)``, of which two fifths are kept; the rows are the items of a batch, or all
    items with a graph encoder or full softmax. Propagating takes ``4 (users + items) d (4 L + 4)`` with sage and
    ``24 (users + items) d`` with lightgcn, in-batch softmax ``8 B D`` for the ``D`` distinct items of a batch, in
    both directions ``8 B (D + V)`` with its ``V`` distinct users, full softmax ``8 B items``.

    Raises:
        InvalidInputError: As :func:`fan_outs`.
    """
    model = configuration.model
    sampled = fan_outs(configuration, metadata)
    fusion = _FLOAT * _fused_rows(configuration, metadata, sampled) * _fusion_floats(model, metadata)
    dense = _dense_weights(model, metadata)
    return TrainingMemory(
        features=(
            8 * metadata.items
            if features_are_streamed(configuration, metadata)
            else 2 * _FLOAT * metadata.items * _feature_width(model, metadata)
        ),
        weights=3 * _FLOAT * (dense + _embedding_values(model, metadata)),
        interactions=_interaction_bytes(configuration, metadata),
        graph=_graph_bytes(model, metadata, sampled),
        step=max(
            fusion + _propagation_bytes(configuration, metadata, sampled),
            2 * fusion // 5 + _objective_bytes(configuration, metadata),
            _FLOAT * (_update_values(configuration, metadata, sampled) + dense),
        ),
    )


def fan_outs(configuration: Configuration, metadata: Metadata) -> list[int] | None:
    """Neighbours to sample in each layer, or None to train on the whole graph.

    Raises:
        InvalidInputError: Neighbourhoods would be sampled for an objective that needs all items, or their
            number of layers is not that of the encoder.
    """
    encoder, objective = configuration.model.encoder, configuration.objective
    if not encoder.graph:
        return None
    needed = whole_graph_step_bytes(configuration.model, metadata)
    chosen, budget = encoder.sampled_neighbours, encoder.step_budget_gb
    if encoder.needs_whole_graph:
        if chosen is not None or needed > budget * 2**30:
            between = "has edges between similar items and " if encoder.links_items else ""
            raise InvalidInputError(
                f"model.encoder.name is {encoder.name}, which {between}propagates over the whole graph in "
                f"every step: about {needed / 2**30:.1f} GB, and model.encoder.budget_gb is {budget:g}. Increase it "
                "and leave out model.encoder.fan_outs, or use an encoder that works with sampled "
                f"neighbourhoods: {', '.join(_encoders_that_sample())}."
            )
        return None
    if chosen is None and needed <= budget * 2**30 and not features_are_streamed(configuration, metadata):
        return None
    if objective.needs_all_items:
        raise InvalidInputError(
            f"objective.name is {objective.name}, which needs all items in every step: about {needed / 2**30:.1f} GB, "
            f"and model.encoder.budget_gb is {budget:g}. Increase it, leave out model.encoder.fan_outs, or use "
            "in_batch_softmax."
        )
    if chosen is not None and len(chosen) != encoder.graph_layers:
        raise InvalidInputError(
            f"model.encoder.fan_outs has {len(chosen)} numbers for {encoder.graph_layers} layers, expected one for "
            "each."
        )
    return chosen or [DEFAULT_FAN_OUT] * encoder.graph_layers


def _encoders_that_sample() -> list[str]:
    return [name for name, settings in known_parts("encoder").items() if settings.can_sample]


def trains_on_whole_graph(configuration: Configuration, metadata: Metadata) -> bool:
    """Whether every step uses the embeddings of all users and items.

    Raises:
        InvalidInputError: As :func:`fan_outs`.
    """
    return configuration.model.encoder.graph and fan_outs(configuration, metadata) is None


def features_are_streamed(configuration: Configuration, metadata: Metadata) -> bool:
    """Whether features are beyond their budget and come with the batches, which no batch with all items can do."""
    if not configuration.model.uses_features:
        return False
    needed = _FLOAT * metadata.items * _feature_width(configuration.model, metadata)
    return needed > configuration.training.feature_budget_gb * 2**30


def whole_graph_step_bytes(configuration: ModelConfiguration, metadata: Metadata) -> int:
    """An estimate of what a training step on the whole graph holds at once: all items fused, all nodes propagated."""
    fusion = _FLOAT * metadata.items * _fusion_floats(configuration, metadata)
    return fusion + _whole_graph_bytes(configuration, metadata) + _graph_bytes(configuration, metadata, None)


def representation_width(configuration: ModelConfiguration) -> int:
    """Width of what the towers give."""
    fused = configuration.fusion.fused_width
    if configuration.combination == "add":
        return max(fused, configuration.id_units)
    return fused + configuration.id_units


def _feature_width(configuration: ModelConfiguration, metadata: Metadata) -> int:
    names = configuration.modalities or list(metadata.modalities)
    return sum(metadata.modalities[name].width for name in names if name in metadata.modalities)


def _edges(metadata: Metadata) -> int:
    return metadata.splits["train"].interactions if "train" in metadata.splits else 0


def _graph_bytes(configuration: ModelConfiguration, metadata: Metadata, sampled: list[int] | None) -> int:
    if not configuration.encoder.graph:
        return 0
    if sampled is not None:
        return 100 * _edges(metadata)
    return _edges(metadata) * (80 if configuration.encoder.leaves_out_targets else 60)


def _embedding_values(configuration: ModelConfiguration, metadata: Metadata) -> int:
    return metadata.users * representation_width(configuration) + metadata.items * configuration.id_units


def _update_values(configuration: Configuration, metadata: Metadata, sampled: list[int] | None) -> int:
    """Values that an update of the embeddings holds: three for each that is updated."""
    model, lazy_rows = configuration.model, configuration.training.lazy_rows
    users, items = metadata.users, metadata.items
    if lazy_rows is not None and not trains_on_whole_graph(configuration, metadata):
        used = configuration.training.batch_size
        if sampled is not None:
            used = _sampled_nodes(configuration, metadata, sampled)[0][0]
        users = users if users < lazy_rows else min(users, used)
        items = items if items < lazy_rows else _fused_rows(configuration, metadata, sampled)
    return 3 * (users * representation_width(model) + items * model.id_units)


def _dense_weights(configuration: ModelConfiguration, metadata: Metadata) -> int:
    of_fusion = configuration.fusion.weight_count(_feature_width(configuration, metadata))
    return of_fusion + configuration.encoder.weight_count(representation_width(configuration))


def _interaction_bytes(configuration: Configuration, metadata: Metadata) -> int:
    columns, interactions = 3 if metadata.timestamps else 2, _edges(metadata)
    # Beyond its budget the pipeline streams.
    pipeline = min(interactions * (16 * columns + 24), _PIPELINE_BUDGET)
    sampler = 120 * interactions if configuration.objective.samples_negatives else 0
    return interactions * 8 * columns + pipeline + sampler


def _fusion_floats(configuration: ModelConfiguration, metadata: Metadata) -> int:
    """Values that fusing an item takes, forward and backward."""
    return configuration.fusion.activation_count(_feature_width(configuration, metadata))


def _fused_rows(configuration: Configuration, metadata: Metadata, sampled: list[int] | None) -> int:
    """Items that a step fuses at most."""
    if configuration.objective.needs_all_items:
        return metadata.items
    if not configuration.model.encoder.graph:
        return min(metadata.items, _batch_items(configuration))
    return metadata.items if sampled is None else _sampled_nodes(configuration, metadata, sampled)[0][1]


def _batch_items(configuration: Configuration) -> int:
    return configuration.training.batch_size * (1 + configuration.objective.negatives_per_positive)


def _propagation_bytes(configuration: Configuration, metadata: Metadata, sampled: list[int] | None) -> int:
    if not configuration.model.encoder.graph:
        return 0
    if sampled is None:
        return _whole_graph_bytes(configuration.model, metadata)
    nodes = _sampled_nodes(configuration, metadata, sampled)
    gathered = sum(fan_out * sum(layer) for fan_out, layer in zip(sampled, nodes[1:], strict=True))
    return _FLOAT * representation_width(configuration.model) * (4 * sum(nodes[0]) + 3 * gathered)


def _whole_graph_bytes(configuration: ModelConfiguration, metadata: Metadata) -> int:
    tensors = configuration.encoder.tensors_propagated()
    return tensors * _FLOAT * (metadata.users + metadata.items) * representation_width(configuration)


def _sampled_nodes(configuration: Configuration, metadata: Metadata, sampled: list[int]) -> list[tuple[int, int]]:
    """Users and items of every layer at most, from layer 0 to the last."""
    users = min(metadata.users, configuration.training.batch_size)
    items = min(metadata.items, _batch_items(configuration))
    nodes = [(users, items)]
    for fan_out in reversed(sampled):
        users, items = (
            min(metadata.users, users + fan_out * items),
            min(metadata.items, items + fan_out * users),
        )
        nodes.append((users, items))
    return nodes[::-1]


def _objective_bytes(configuration: Configuration, metadata: Metadata) -> int:
    return configuration.objective.step_bytes(
        batch_size=configuration.training.batch_size,
        users=metadata.users,
        items=metadata.items,
        width=representation_width(configuration.model),
    )
