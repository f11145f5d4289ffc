"""Widths and sizes of a model, as far as a configuration and ``metadata.json`` say them."""

from collections.abc import Sequence

from tf_metammf.records.metadata import Metadata
from tf_metammf.trainer.configuration.sections import ModelConfiguration

FLOAT_BYTES = 4


def modalities_in_use(model: ModelConfiguration, metadata: Metadata) -> list[str]:
    """Names of the modalities whose features something looks at: none where nothing does."""
    if not model.uses_features:
        return []
    return list(metadata.modalities) if model.modalities is None else list(model.modalities)


def feature_width(metadata: Metadata, modalities: Sequence[str]) -> int:
    """Feature values of an item in some modalities."""
    return sum(metadata.modalities[name].width for name in modalities)


def fused_values(model: ModelConfiguration, metadata: Metadata, modalities: Sequence[str]) -> int:
    """Feature values of an item as a fusion gets them: those of all its tokens, where it takes tokens."""
    if model.fusion.takes == "vectors":
        return feature_width(metadata, modalities)
    entries = [metadata.modalities[name] for name in modalities]
    return sum(entry.width * (1 if entry.tokens is None else max(entry.tokens.most, 1)) for entry in entries)


def representation_width(model: ModelConfiguration) -> int:
    """Width of the output of the towers."""
    fused = model.fusion.fused_width
    if model.combination == "add":
        return max(fused, model.id_units)
    return fused + model.id_units


def embedding_values(model: ModelConfiguration, metadata: Metadata) -> int:
    """Values of the ID embeddings of users and items."""
    return metadata.users * representation_width(model) + metadata.items * model.id_units


def dense_weights(model: ModelConfiguration, width: int) -> int:
    """Dense weights of fusion and encoder, where an item has ``width`` feature values."""
    return model.fusion.weight_count(width) + model.encoder.weight_count(representation_width(model))


def training_edges(metadata: Metadata) -> int:
    """Training interactions, which are the edges of the interaction graph."""
    return metadata.splits["train"].interactions if "train" in metadata.splits else 0


def graph_bytes(model: ModelConfiguration, metadata: Metadata, *, sampled: bool) -> int:
    """What the interaction graph takes, both directions."""
    if not model.encoder.graph:
        return 0
    if sampled:
        return 100 * training_edges(metadata)
    return training_edges(metadata) * (80 if model.encoder.leaves_out_targets else 60)


def propagated_bytes(model: ModelConfiguration, metadata: Metadata) -> int:
    """What propagating over the whole graph holds at once."""
    nodes = metadata.users + metadata.items
    return model.encoder.tensors_propagated() * FLOAT_BYTES * nodes * representation_width(model)


def whole_graph_step_bytes(model: ModelConfiguration, metadata: Metadata) -> int:
    """An estimate of what a training step on the whole graph holds at once: all items fused, all nodes propagated."""
    values = fused_values(model, metadata, modalities_in_use(model, metadata))
    fused = FLOAT_BYTES * metadata.items * model.fusion.activation_count(values)
    return fused + propagated_bytes(model, metadata) + graph_bytes(model, metadata, sampled=False)
