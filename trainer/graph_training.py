"""Arguments of encoders, and how those of graphs are trained: on the whole graph, or on sampled neighbourhoods."""

from typing import Any

from tf_metammf.encoders.interaction_graph import InteractionGraph
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.neighbours import NeighbourSampler
from tf_metammf.trainer.configuration import PEER_SETTINGS, Configuration, ModelConfiguration
from tf_metammf.trainer.memory import fan_outs
from tf_metammf.trainer.training_data import TrainingData


def make_encoder_options(configuration: ModelConfiguration, data: TrainingData) -> dict[str, Any]:
    """Arguments of the encoder: its own settings, and the training graph for those that propagate.

    Raises:
        InvalidInputError: Edge dropout is asked of an encoder that leaves out edges of its own.
    """
    encoder, graph = configuration.encoder, configuration.graph
    options = {name: getattr(configuration.peer, name) for name in PEER_SETTINGS.get(encoder, ())}
    if not configuration.uses_graph:
        return options
    options |= {
        "graph": interaction_graph(data),
        "layers": graph.layers,
        "exclude_targets": graph.exclude_targets,
    }
    if encoder == "freedom":
        if graph.edge_dropout:
            raise InvalidInputError(
                f"model.graph.edge_dropout is {graph.edge_dropout}, and freedom leaves out edges by degree. Set "
                "model.peer.pruning instead."
            )
    else:
        options["edge_dropout"] = graph.edge_dropout
    if configuration.has_similar_items:
        options["item_neighbours"] = graph.item_neighbours
    return options | ({"dropout": graph.dropout} if encoder == "sage" else {})


def interaction_graph(data: TrainingData) -> InteractionGraph:
    """The graph of the training interactions."""
    metadata = data.record_set.metadata
    return InteractionGraph(data.train.user, data.train.item, users=metadata.users, items=metadata.items)


def make_neighbour_sampler(configuration: Configuration, data: TrainingData) -> NeighbourSampler | None:
    """The sampler of the pipeline, or None to train on the whole graph."""
    metadata = data.record_set.metadata
    chosen = fan_outs(configuration, metadata)
    if chosen is None:
        return None
    return NeighbourSampler(
        data.train, users=metadata.users, items=metadata.items, fan_outs=chosen, seed=configuration.training.seed
    )
