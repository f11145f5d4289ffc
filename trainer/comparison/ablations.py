"""Variations of a model, each of which answers a question about it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tf_metammf.errors import unknown_name
from tf_metammf.records.metadata import Metadata
from tf_metammf.trainer.configuration import Configuration

Variations = Iterator[tuple[str, Configuration]]

ENCODERS = ("mf", "sage", "lightgcn")


def ablations(
    name: str, configuration: Configuration, metadata: Metadata, questions: list[str]
) -> dict[str, Configuration]:
    """The configuration itself, and its variations by name.

    A question that is about what a model does not have is not asked of it: rank, meta information and static kernels
    of fusions other than metammf, depth of a model that fuses nothing, the encoder of a peer with one of its own.

    Args:
        name: What to call the configuration.
        configuration: The model.
        metadata: That of the record set, for its modalities.
        questions: Out of :data:`QUESTIONS`.

    Raises:
        InvalidInputError: A question is unknown.
    """
    found = {name: configuration}
    for question in questions:
        if question not in QUESTIONS:
            raise unknown_name("ablation", question, QUESTIONS)
        for label, variation in QUESTIONS[question](configuration, metadata):
            if variation != configuration:
                found[f"{name}, {label}"] = variation
    return found


def _fusion(configuration: Configuration, **changes: Any) -> Configuration:
    model = configuration.model
    return replace(configuration, model=replace(model, fusion=replace(model.fusion, **changes)))


def _generates_kernels(configuration: Configuration) -> bool:
    return configuration.model.fuses and configuration.model.fusion.name == "metammf"


def _depth(configuration: Configuration, _: Metadata) -> Variations:
    if not configuration.model.fuses:
        return
    units = configuration.model.fusion.units
    width = units[-1]
    for depth in (1, 2, 3, 4):
        yield f"depth {depth}", _fusion(configuration, units=[width * 2**layer for layer in range(depth - 1, -1, -1)])


def _rank(configuration: Configuration, _: Metadata) -> Variations:
    if not _generates_kernels(configuration):
        return
    for rank in (4, 16, 64):
        yield f"rank {rank}", _fusion(configuration, rank=rank)
    yield "full tensors", _fusion(configuration, rank=None)


def _meta_units(configuration: Configuration, _: Metadata) -> Variations:
    if not _generates_kernels(configuration):
        return
    for width in (1, 5, 20):
        yield f"meta information {width} wide", _fusion(configuration, meta_units=width)


def _static(configuration: Configuration, _: Metadata) -> Variations:
    if not _generates_kernels(configuration):
        return
    yield "static kernel alone", _fusion(configuration, name="concatenation")


def _with_modalities(configuration: Configuration, names: list[str]) -> Configuration:
    model = configuration.model
    weights = model.peer.modality_weights
    if weights is not None:
        peer = replace(model.peer, modality_weights={name: weights[name] for name in names if name in weights})
        model = replace(model, peer=peer)
    return replace(configuration, model=replace(model, modalities=names))


def _without_content(configuration: Configuration) -> Configuration:
    without = _fusion(configuration, name="none")
    graph = replace(without.model.graph, item_neighbours=0)
    return replace(without, model=replace(without.model, graph=graph))


def _modalities(configuration: Configuration, metadata: Metadata) -> Variations:
    if not configuration.model.uses_features:
        return
    names = configuration.model.modalities or sorted(metadata.modalities)
    for name in names:
        others = [other for other in names if other != name]
        yield f"{name} alone", _with_modalities(configuration, [name])
        if len(others) > 1:
            yield f"without {name}", _with_modalities(configuration, others)
    without = _without_content(configuration)
    if configuration.model.id_units and not without.model.uses_features:
        yield "no content", without


def _encoder(configuration: Configuration, _: Metadata) -> Variations:
    if configuration.model.encoder not in ENCODERS:
        return
    graph = configuration.model.graph
    # SAGE has a dropout for every layer, or one for all.
    each = graph.dropout if len(graph.dropout) == graph.layers else graph.dropout[:1]
    for encoder in ENCODERS:
        model = replace(configuration.model, encoder=encoder)
        if encoder == "sage":
            model = replace(model, graph=replace(graph, dropout=each))
        yield encoder, replace(configuration, model=model)


QUESTIONS: dict[str, Callable[[Configuration, Metadata], Variations]] = {
    "depth": _depth,
    "rank": _rank,
    "meta_units": _meta_units,
    "static": _static,
    "modalities": _modalities,
    "encoder": _encoder,
}
"""How deep, how well decomposed, how wide the meta information, whether dynamic at all, which modalities, MF or GCN."""
