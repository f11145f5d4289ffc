"""Encoders by name."""

from collections.abc import Callable
from typing import Any

import tf_keras as keras

from tf_metammf.encoders.lightgcn import LightGCN
from tf_metammf.encoders.matrix_factorization import MatrixFactorization
from tf_metammf.encoders.sage import SAGE
from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.peers.bm3 import BM3
from tf_metammf.peers.freedom import FREEDOM
from tf_metammf.peers.invrl import InvRL
from tf_metammf.peers.lattice import LATTICE
from tf_metammf.peers.mmgcn import MMGCN
from tf_metammf.peers.vbpr import VBPR

ENCODERS: dict[str, Callable[..., Any]] = {
    "mf": MatrixFactorization,
    "sage": SAGE,
    "lightgcn": LightGCN,
    "vbpr": VBPR,
    "mmgcn": MMGCN,
    "lattice": LATTICE,
    "freedom": FREEDOM,
    "bm3": BM3,
    "invrl": InvRL,
}
WITHOUT_GRAPH = ("mf", "vbpr", "invrl")
"""Encoders that take no graph of interactions."""


def make_encoder(encoder: str | keras.layers.Layer, **options: Any) -> Any:
    """An encoder by name, or the given layer itself.

    Args:
        encoder: A key of :data:`ENCODERS`, or a layer with the methods of :class:`tf_metammf.encoders.encoder.Encoder`.
        **options: Arguments of an encoder given by name; those of graphs need ``graph``.

    Raises:
        InvalidInputError: The name is unknown, or a graph encoder has no graph.
    """
    if not isinstance(encoder, str):
        return encoder
    if encoder not in ENCODERS:
        raise unknown_name("encoder", encoder, ENCODERS)
    if encoder not in WITHOUT_GRAPH and "graph" not in options:
        raise InvalidInputError(
            f'the encoder "{encoder}" needs the training interactions; give it graph=InteractionGraph(user, item, ...).'
        )
    return ENCODERS[encoder](**options)


def encoder_uses_features(encoder: str | Any) -> bool:
    """Whether an encoder, or the one of that name, looks at the features of items itself."""
    return bool(getattr(ENCODERS.get(encoder) if isinstance(encoder, str) else encoder, "uses_features", False))
