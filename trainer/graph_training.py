"""How a graph encoder is trained: on the whole graph in every step, or on sampled neighbourhoods."""

from tf_metammf.interaction_graph import InteractionGraph
from tf_metammf.records.neighbours import NeighbourSampler
from tf_metammf.trainer.configuration import Configuration, ModelConfiguration
from tf_metammf.trainer.memory import fan_outs
from tf_metammf.trainer.training_data import TrainingData


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


def make_neighbour_sampler(configuration: Configuration, data: TrainingData) -> NeighbourSampler | None:
    """The sampler of the pipeline, or None to train on the whole graph."""
    metadata = data.record_set.metadata
    chosen = fan_outs(configuration, metadata)
    if chosen is None:
        return None
    return NeighbourSampler(
        data.train, users=metadata.users, items=metadata.items, fan_outs=chosen, seed=configuration.training.seed
    )
