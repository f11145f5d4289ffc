"""Variations of a model, each of which answers a question about it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tf_metammf.auxiliary.settings import NoAuxiliarySettings
from tf_metammf.errors import unknown_name
from tf_metammf.fusion.settings import ConcatenationFusionSettings, LayeredFusionSettings, NoFusionSettings
from tf_metammf.parts.parts import known_parts, setting_names
from tf_metammf.records.metadata import Metadata
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.part_checks import modalities_with_weights

Variations = Iterator[tuple[str, Configuration]]


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
        for label, varied in QUESTIONS[question](configuration, metadata):
            variation = _updated(varied, metadata)
            if variation != configuration:
                found[f"{name}, {label}"] = variation
    return found


def _updated(configuration: Configuration, metadata: Metadata) -> Configuration:
    """The configuration, trained jointly where too few modalities are left with weights of their own to take turns."""
    training = configuration.training
    own = modalities_with_weights(configuration, configuration.model.modalities or sorted(metadata.modalities))
    update = training.update if len(own) > 1 else "joint"
    stop = training.modality_stop if own else "none"
    return replace(configuration, training=replace(training, update=update, modality_stop=stop))


def _fusion(configuration: Configuration, **changes: Any) -> Configuration:
    model = configuration.model
    return replace(configuration, model=replace(model, fusion=replace(model.fusion, **changes)))


def _layered(configuration: Configuration) -> LayeredFusionSettings | None:
    fusion = configuration.model.fusion
    return fusion if configuration.model.fuses and isinstance(fusion, LayeredFusionSettings) else None


def _generates_kernels(configuration: Configuration) -> bool:
    return configuration.model.fuses and configuration.model.fusion.generates_kernels


def _depth(configuration: Configuration, _: Metadata) -> Variations:
    fusion = _layered(configuration)
    if fusion is None:
        return
    width = fusion.fused_width
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
    fusion = _layered(configuration)
    if fusion is None or not _generates_kernels(configuration):
        return
    static = ConcatenationFusionSettings(units=fusion.units)
    yield "static kernel alone", replace(configuration, model=replace(configuration.model, fusion=static))


def _with_modalities(configuration: Configuration, names: list[str]) -> Configuration:
    model = configuration.model
    adapters = [name for name in model.adapters if name in names]
    return replace(
        configuration,
        model=replace(
            model,
            modalities=names,
            encoder=model.encoder.for_modalities(names),
            adapters=adapters if len(adapters) < len(names) else [],  # one has to be fused
        ),
    )


def _without_content(configuration: Configuration) -> Configuration:
    model = configuration.model
    return replace(
        configuration,
        model=replace(
            model,
            fusion=NoFusionSettings(),
            adapters=[],
            encoder=model.encoder.without_features(),
            auxiliary=NoAuxiliarySettings(),  # auxiliary losses look at fused vectors
        ),
    )


def _modalities(configuration: Configuration, metadata: Metadata) -> Variations:
    if not configuration.model.uses_features:
        return
    names = configuration.model.modalities or sorted(metadata.modalities)
    for name in names:
        others = [other for other in names if other != name]
        if others:
            yield f"{name} alone", _with_modalities(configuration, [name])
        if len(others) > 1:
            yield f"without {name}", _with_modalities(configuration, others)
    without = _without_content(configuration)
    if configuration.model.id_units and not without.model.uses_features:
        yield "no content", without


def _encoder(configuration: Configuration, _: Metadata) -> Variations:
    own = configuration.model.encoder
    # Users who attend to their items need an encoder that leaves both as the towers give them.
    if not own.varies or configuration.model.has_histories:
        return
    for name, settings in known_parts("encoder").items():
        if not settings.varies:
            continue
        shared = {each: getattr(own, each) for each in (setting_names(settings) & setting_names(type(own))) - {"name"}}
        encoder = own if name == own.name else settings(**shared).fitted(own)
        yield name, replace(configuration, model=replace(configuration.model, encoder=encoder))


def _user_history(configuration: Configuration, _: Metadata) -> Variations:
    if configuration.model.has_histories:
        yield "no user history", replace(configuration, model=replace(configuration.model, user_history="none"))


def _updates(configuration: Configuration, _: Metadata) -> Variations:
    training = configuration.training
    if training.modality_stop != "none":
        yield "no stops", replace(configuration, training=replace(training, modality_stop="none"))
    if training.update != "joint":
        yield "joint updates", replace(configuration, training=replace(training, update="joint", modality_stop="none"))


QUESTIONS: dict[str, Callable[[Configuration, Metadata], Variations]] = {
    "depth": _depth,
    "rank": _rank,
    "meta_units": _meta_units,
    "static": _static,
    "modalities": _modalities,
    "encoder": _encoder,
    "user_history": _user_history,
    "updates": _updates,
}
"""How deep, how well decomposed, how wide the meta information, whether dynamic at all, which modalities, MF or GCN,
whether users attend to their items, and whether modalities take turns and stop."""
