"""An encoder by name, or one of the user's own."""

from typing import Any, cast

from tf_metammf.encoders.encoder import Encoder
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.item_content import ItemContent
from tf_metammf.parts.named_options import named_options
from tf_metammf.parts.parts import setting_names, settings_of


def encoder_settings(name: str, options: dict[str, Any]) -> EncoderSettings:
    """The settings of an encoder that is given by its name and constructor arguments.

    Raises:
        InvalidInputError: There is no such encoder, or it is not trained.
    """
    kind = cast(type[EncoderSettings], settings_of("encoder", name))
    if not kind.trained:
        raise InvalidInputError(f'"{name}" is a baseline, which has no towers; see tf_metammf.baselines.')
    return kind(**{key: value for key, value in options.items() if key in setting_names(kind) - {"name"}})


def make_encoder(encoder: str | Encoder, **options: Any) -> Encoder:
    """An encoder by name, or the given layer itself.

    Args:
        encoder: The name of an encoder, ``"package.module:Class"``, or a layer that extends :class:`Encoder`.
        **options: Arguments of an encoder given by name; those of graphs need ``graph``.

    Raises:
        InvalidInputError: The name is unknown, a graph encoder has no graph, or the layer is not an encoder.
    """
    if isinstance(encoder, Encoder):
        return encoder
    if not isinstance(encoder, str):
        raise InvalidInputError(
            f"the encoder is {encoder!r}, expected a name or a layer that extends tf_metammf.encoders.encoder.Encoder."
        )
    settings = encoder_settings(encoder, options)
    if settings.graph and "graph" not in options:
        raise InvalidInputError(
            f'the encoder "{encoder}" needs the training interactions; give it graph=InteractionGraph(user, item, ...).'
        )
    made = type(settings).layer_class()(**options)
    if not isinstance(made, Encoder):
        raise InvalidInputError(f"{encoder}: is not an encoder; extend tf_metammf.encoders.encoder.Encoder.")
    return made


def attached_encoder(
    encoder: str | Encoder, options: dict[str, Any], *, content: ItemContent | None, users: int, policy: Any
) -> Encoder:
    """The encoder of a model; one that is given by its name gets what it takes of the model.

    Args:
        encoder: A name or a layer.
        options: Arguments of one given by name.
        content: The features of all items, for one that compares them.
        users: Number of users.
        policy: The dtype policy of the model.
    """
    if not isinstance(encoder, str):
        return make_encoder(encoder)
    # Encoders add up in float32, whatever the towers give.
    given = named_options(encoder, options, "float32" if policy.compute_dtype == "float64" else policy)
    if content is not None:
        given["content"] = content
    if encoder_settings(encoder, options).takes_users:
        given["users"] = users
    return make_encoder(encoder, **given)
