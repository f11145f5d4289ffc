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


def _modalities(configuration: Configuration, metadata: Metadata) -> Variations:
    if not configuration.model.uses_features:
        return
    names = configuration.model.modalities or sorted(metadata.modalities)
    for name in names:
        others = [other for other in names if other != name]
        yield f"{name} alone", replace(configuration, model=replace(configuration.model, modalities=[name]))
        if len(others) > 1:
            yield f"without {name}", replace(configuration, model=replace(configuration.model, modalities=others))
    if configuration.model.id_units and configuration.model.fuses:
        yield "no content", _fusion(configuration, name="none")


def _encoder(configuration: Configuration, _: Metadata) -> Variations:
    if configuration.model.encoder not in ENCODERS:
        return
    for encoder in ENCODERS:
        yield encoder, replace(configuration, model=replace(configuration.model, encoder=encoder))


QUESTIONS: dict[str, Callable[[Configuration, Metadata], Variations]] = {
    "depth": _depth,
    "rank": _rank,
    "meta_units": _meta_units,
    "static": _static,
    "modalities": _modalities,
    "encoder": _encoder,
}
"""How deep, how well decomposed, how wide the meta information, whether dynamic at all, which modalities, MF or GCN."""
