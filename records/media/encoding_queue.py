"""Frames, windows and texts of many files, encoded together."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tf_metammf.records.media.decoding.requests import Sequence
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder, encoded
from tf_metammf.records.media.feature_store import StoredVectors


class VectorStore(Protocol):
    """Keeps vectors: :class:`tf_metammf.records.media.feature_store.FeatureStore`, or what is handed to one later."""

    def has(self, content: str, modality: str, encoder: str, *, tokens: bool) -> bool:
        """Whether there are vectors, with tokens where these are asked for."""

    def store(self, content: str, modality: str, encoder: str, vectors: StoredVectors) -> None:
        """Keeps the vectors of a content."""

    def commit(self) -> None:
        """Makes sure that what was stored is kept."""


@dataclass
class EncodingQueue:
    """Collects sequences and encodes them in batches of about one size.

    Attributes:
        name: Name of the encoder.
        encoder: The encoder.
        modality: What it encodes.
        key: Fingerprint of what makes the vectors.
        store: Takes the vectors.
        tokens: Whether the vectors of single frames, windows or texts are kept.
        batch: Frames, windows or texts at once, about.
    """

    name: str
    encoder: MediaEncoder
    modality: str
    key: str
    store: VectorStore
    tokens: bool
    batch: int
    _waiting: list[tuple[str, Any, Any]] = field(default_factory=list)

    def has(self, content: str) -> bool:
        """Whether the vectors of a content are stored, or soon will be."""
        waits = any(content == other for other, _, _ in self._waiting)
        return waits or self.store.has(content, self.modality, self.key, tokens=self.tokens)

    def add(self, content: str, sequence: Sequence) -> None:
        """Takes the sequence of a content, and encodes what has come together."""
        self._waiting.append((content, sequence.values, sequence.times))
        if sum(len(values) for _, values, _ in self._waiting) >= self.batch:
            self.flush()

    def flush(self) -> None:
        """Encodes what is left, and makes sure that it is kept."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        if isinstance(waiting[0][1], np.ndarray):
            values: Any = np.concatenate([values for _, values, _ in waiting])
        else:
            values = [text for _, texts, _ in waiting for text in texts]
        # A long file alone may be more than a batch.
        step = max(self.batch, 1)
        parts = [
            encoded(self.encoder, self.name, values[first : first + step]) for first in range(0, len(values), step)
        ]
        vectors, start = np.concatenate(parts), 0
        for content, of_content, times in waiting:
            tokens = vectors[start : start + len(of_content)]
            start += len(of_content)
            mean = tokens.mean(axis=0, dtype=np.float64).astype(np.float32)
            kept = (tokens, np.asarray(times, np.float32)) if self.tokens else (None, None)
            self.store.store(content, self.modality, self.key, StoredVectors(mean, *kept))
        self.store.commit()
