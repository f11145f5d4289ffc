"""A fusion by name, or a Keras layer of the user's own."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.features.modalities import Presence
from tf_metammf.features.token_features import FeatureForm, ModalityFeatures
from tf_metammf.parts.parts import known_parts, settings_of


def make_fusion(fusion: str | keras.layers.Layer, **options: Any) -> keras.layers.Layer:
    """A fusion by name, or the given layer itself.

    Args:
        fusion: ``"metammf"``, ``"concatenation"``, ``"sum"``, ``"gated"``, ``"attention"``, or a layer of
            your own that keeps the contract of :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.
        **options: Constructor arguments of a fusion given by name.

    Raises:
        InvalidInputError: The name is unknown, an option is not one of the fusion's, or ``fusion``
            is neither a name nor a Keras 2 layer.

    Examples:
        >>> from tf_metammf import make_fusion
        >>> make_fusion("gated", units=(16, 8)).units
        (16, 8)
    """
    if isinstance(fusion, str):
        kind = fusion_class(fusion)
        _check_options(fusion, kind, options)
        return cast(keras.layers.Layer, kind(**options))
    if not isinstance(fusion, keras.layers.Layer):
        raise InvalidInputError(
            f"the fusion is {fusion!r}, expected a name ({', '.join(fusion_names())}) or an instance of "
            "tf_keras.layers.Layer (Keras 2)."
        )
    if options:
        raise InvalidInputError(
            f'the fusion is the layer "{fusion.name}", but there are options: {", ".join(sorted(options))}. '
            "Give them to the constructor of the layer."
        )
    return fusion


def form_of(fusion: str | keras.layers.Layer | None) -> FeatureForm:
    """What a fusion takes of each modality: vectors, unless its class says that it takes tokens.

    Raises:
        InvalidInputError: Its class says something else, or there is no fusion of that name.
    """
    takes: FeatureForm = getattr(fusion_class(fusion) if isinstance(fusion, str) else fusion, "takes", "vectors")
    if takes not in get_args(FeatureForm):
        raise InvalidInputError(f'the fusion {fusion!r} takes {takes!r}, expected "vectors" or "tokens".')
    return takes


def apply_fusion(
    fusion: keras.layers.Layer,
    features: Mapping[str, ModalityFeatures],
    presence: Presence | None = None,
    *,
    training: bool | None = None,
) -> tf.Tensor:
    """Calls a fusion with as much of the contract as its signature takes.

    Args:
        fusion: A layer. Where its ``call`` has no ``mask`` or no ``training``, it is called without.
            Layers and models whose ``call`` Keras itself wrote get no ``mask``: to them it
            means time steps, not modalities.
        features: By modality, float ``[B, width]``, or token sequences where the fusion takes those.
        presence: bool ``[B]`` by modality, or None where every item has all.
        training: Whether the call belongs to training.

    Returns:
        Fused vectors, ``[B, width]``.

    Raises:
        InvalidInputError: The layer returned something else.
    """
    arguments: dict[str, Any] = {}
    if _takes(fusion, "mask") and not _call_is_from_keras(fusion):
        arguments["mask"] = presence
    if _takes(fusion, "training"):
        arguments["training"] = training
    fused = fusion(features, **arguments)
    if not tf.is_tensor(fused) or fused.shape.rank != 2 or fused.shape[-1] is None:
        found = f"a tensor of shape {fused.shape}" if tf.is_tensor(fused) else f"{type(fused).__name__}"
        raise InvalidInputError(
            f'fusion "{fusion.name}" returned {found}, expected one tensor [batch, width] with a known width. '
            "Change its call so that it returns one vector for each item."
        )
    return fused


def fusion_names() -> list[str]:
    """Names of all fusions that come with this package."""
    return [name for name, settings in known_parts("fusion").items() if settings.layer]


def fusion_class(name: str) -> type:
    """The class of a fusion.

    Raises:
        InvalidInputError: There is no such fusion.
    """
    settings = settings_of("fusion", name)
    if not settings.layer:
        raise unknown_name("fusion", name, fusion_names())
    return settings.layer_class()


def _check_options(fusion: str, kind: type, options: Mapping[str, Any]) -> None:
    known = _constructor_arguments(kind)
    for option in options:
        if option not in [*known, "name", "dtype", "trainable"]:
            raise unknown_name(f'option of the fusion "{fusion}"', option, known)


def _constructor_arguments(kind: type) -> list[str]:
    """Arguments of a constructor, and of those that its ``**options`` are for, as far as they are of this package."""
    found: dict[str, None] = {}
    for owner in kind.__mro__:
        if owner is not kind and not owner.__module__.startswith("tf_metammf."):
            break
        constructor = vars(owner).get("__init__")
        for parameter in [] if constructor is None else list(_parameters(constructor).values())[1:]:
            if parameter.kind != parameter.VAR_KEYWORD:
                found[parameter.name] = None
    return list(found)


def _takes(layer: keras.layers.Layer, argument: str) -> bool:
    parameters = _parameters(layer.call)
    return argument in parameters or any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values())


def _call_is_from_keras(layer: keras.layers.Layer) -> bool:
    return inspect.unwrap(type(layer).call).__module__.partition(".")[0] in ("tf_keras", "keras")


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters
