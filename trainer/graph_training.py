"""Arguments of encoders, and how those of graphs are trained: on the whole graph, or on sampled neighbourhoods."""

from typing import Any

from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.records.neighbours import NeighbourSampler
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.memory import fan_outs
from tf_metammf.trainer.training_data import TrainingData


def make_encoder_options(settings: EncoderSettings, data: TrainingData) -> dict[str, Any]:
    """Arguments of the encoder: its own settings, and the training graph for those that propagate."""
    return settings.options | ({"graph": interaction_graph(data)} if settings.graph else {})


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
