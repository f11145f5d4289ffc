"""Sentence encoders of the package sentence-transformers, from a folder, or by name where downloads are allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, one_line
from tf_metammf.records.media.encoding.inputs import TextInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder


@dataclass(frozen=True)
class SentenceTransformersSettings:
    """Settings of the encoder ``sentence_transformers``.

    Attributes:
        model: A folder that holds the model, or its name, which is downloaded.
        normalize: Whether vectors are scaled to length 1.
    """

    model: str
    normalize: bool = True


class Encoder(MediaEncoder):
    """A sentence encoder as its publisher set it up: tokens, pooling and all.

    Args:
        settings: Where it is.
        download: Whether a model may be fetched by its name.
    """

    Settings = SentenceTransformersSettings
    packages = ("sentence-transformers", "torch")

    def __init__(self, settings: SentenceTransformersSettings, *, download: bool = False) -> None:
        folder = Path(settings.model)
        if not folder.is_dir() and not download:
            raise InvalidInputError(
                f"encoder sentence_transformers: model is {settings.model}, expected the folder of a model. Give one, "
                "or --download true."
            )
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise InvalidInputError(
                "encoder sentence_transformers: the package is not installed. Install it: "
                "pip install 'tf-metammf[sentences]'."
            ) from None
        try:
            self._model: Any = SentenceTransformer(
                settings.model, device="cpu", local_files_only=not download, trust_remote_code=False
            )
        except Exception as error:  # of transformers, the hub and torch
            raise InvalidInputError(
                f"{settings.model}: cannot be loaded as a sentence encoder ({one_line(error)})."
            ) from error
        self.settings = settings
        self.inputs = TextInput()
        self.weights = (folder,) if folder.is_dir() else ()
        self.preprocessing = {"text": "that of the model", "normalize": settings.normalize}
        self.width = int(self._model.get_sentence_embedding_dimension())

    def encode(self, batch: Sequence[str]) -> NDArray[np.float32]:
        """Encodes texts."""
        found = self._model.encode(
            list(batch), normalize_embeddings=self.settings.normalize, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(found, np.float32)
