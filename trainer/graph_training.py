"""How a graph encoder is trained: on the whole graph in every step, or on sampled neighbourhoods."""

from tf_metammf.errors import InvalidInputError
from tf_metammf.interaction_graph import InteractionGraph
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.neighbours import NeighbourSampler
from tf_metammf.trainer.configuration import Configuration, ModelConfiguration
from tf_metammf.trainer.training_data import TrainingData, feature_bytes

DEFAULT_FAN_OUT = 10
"""Neighbours of a node in each layer, where the whole graph is beyond a budget and nothing else is said."""


def make_encoder_options(configuration: ModelConfiguration, data: TrainingData) -> dict[str, object]:
    """Arguments of the encoder: nothing for ``mf``, the training graph and its settings for the others."""
    if configuration.encoder == "mf":
        return {}
    graph = configuration.graph
    metadata = data.record_set.metadata
    options: dict[str, object] = {
        "graph": InteractionGraph(data.train.user, data.train.item, users=metadata.users, items=metadata.items),
        "layers": graph.layers,
        "edge_dropout": graph.edge_dropout,
    }
    return options | ({"dropout": graph.dropout} if configuration.encoder == "sage" else {})


def fan_outs(configuration: Configuration, metadata: Metadata) -> list[int] | None:
    """Neighbours to sample in each layer, or None to train on the whole graph.

    Raises:
        InvalidInputError: Neighbourhoods would be sampled for an objective that needs all items, or their
            number of layers is not that of the encoder.
    """
    graph = configuration.model.graph
    if configuration.model.encoder == "mf":
        return None
    needed = whole_graph_step_bytes(configuration.model, metadata)
    chosen = graph.fan_outs
    if chosen is None and needed <= graph.budget_gb * 2**30 and not _features_are_streamed(configuration, metadata):
        return None
    if configuration.objective.name == "full_softmax":
        raise InvalidInputError(
            f"objective.name is full_softmax, which needs all items in every step: about {needed / 2**30:.1f} GB, and "
            f"model.graph.budget_gb is {graph.budget_gb:g}. Raise it, leave out model.graph.fan_outs, or take "
            "in_batch_softmax."
        )
    if chosen is not None and len(chosen) != graph.layers:
        raise InvalidInputError(
            f"model.graph.fan_outs has {len(chosen)} numbers for {graph.layers} layers, expected one for each."
        )
    return chosen or [DEFAULT_FAN_OUT] * graph.layers


def make_neighbour_sampler(configuration: Configuration, data: TrainingData) -> NeighbourSampler | None:
    """The sampler of the pipeline, or None to train on the whole graph."""
    metadata = data.record_set.metadata
    chosen = fan_outs(configuration, metadata)
    if chosen is None:
        return None
    return NeighbourSampler(
        data.train, users=metadata.users, items=metadata.items, fan_outs=chosen, seed=configuration.training.seed
    )


def whole_graph_step_bytes(configuration: ModelConfiguration, metadata: Metadata) -> int:
    """An estimate of what a training step on the whole graph holds at once.

    All items are fused, ``4 items (2 F + 3 sum of units)`` bytes for ``F`` feature values an item; all nodes are
    propagated, ``4 (users + items) width (4 layers + 4)``; and the edges take 56 bytes each.
    """
    feature_width, fused = 0, 0
    if configuration.fusion.name != "none":
        names = configuration.modalities or list(metadata.modalities)
        feature_width = sum(metadata.modalities[name].width for name in names if name in metadata.modalities)
        fused = sum(configuration.fusion.units)
    width = representation_width(configuration)
    nodes = metadata.users + metadata.items
    edges = metadata.splits["train"].interactions if "train" in metadata.splits else 0
    fusion = 4 * metadata.items * (2 * feature_width + 3 * fused)
    return fusion + 4 * nodes * width * (4 * configuration.graph.layers + 4) + 56 * edges


def _features_are_streamed(configuration: Configuration, metadata: Metadata) -> bool:
    """Whether features come with the batches, which no batch with all items can do."""
    if configuration.model.fusion.name == "none":
        return False
    needed = feature_bytes(metadata, configuration.model.modalities)
    return needed > configuration.training.feature_budget_gb * 2**30


def representation_width(configuration: ModelConfiguration) -> int:
    """Width of what the towers give."""
    fused = 0 if configuration.fusion.name == "none" else configuration.fusion.units[-1]
    if configuration.combination == "add":
        return max(fused, configuration.id_units)
    return fused + configuration.id_units
