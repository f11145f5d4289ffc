"""Encoders by name."""

from collections.abc import Callable
from typing import Any

import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.lightgcn import LightGCN
from tf_metammf.matrix_factorization import MatrixFactorization
from tf_metammf.sage import SAGE

ENCODERS: dict[str, Callable[..., Any]] = {"mf": MatrixFactorization, "sage": SAGE, "lightgcn": LightGCN}


def make_encoder(encoder: str | keras.layers.Layer, **options: Any) -> Any:
    """An encoder by name, or the given layer itself.

    Args:
        encoder: ``"mf"``, ``"sage"``, ``"lightgcn"``, or a layer with the methods of
            :class:`tf_metammf.encoder.Encoder`.
        **options: Arguments of an encoder given by name; those of graphs need ``graph``.

    Raises:
        InvalidInputError: The name is unknown, or a graph encoder has no graph.
    """
    if not isinstance(encoder, str):
        return encoder
    if encoder not in ENCODERS:
        raise unknown_name("encoder", encoder, ENCODERS)
    if encoder != "mf" and "graph" not in options:
        raise InvalidInputError(
            f'the encoder "{encoder}" needs the training interactions; give it graph=InteractionGraph(user, item, ...).'
        )
    return ENCODERS[encoder](**options)
