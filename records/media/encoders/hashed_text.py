"""Hashed n-grams of words and characters with inverse document frequencies, projected at random; needs no weights."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.encoding.inputs import TextInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder
from tf_metammf.records.number_bounds import require_number


@dataclass(frozen=True)
class HashedTextSettings:
    """Settings of the encoder ``hashed_text``.

    Attributes:
        width: Values a vector.
        buckets: Number of buckets that n-grams are hashed into.
        word_ngrams: Most words in an n-gram of words.
        character_ngrams: Most characters in an n-gram of characters, which begins at 3; 0 for none.
        seed: Seed of the projection.
    """

    width: int = 128
    buckets: int = 32768
    word_ngrams: int = 2
    character_ngrams: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("width", 1, 4096),
            ("buckets", 16, 2**20),
            ("word_ngrams", 1, 5),
            ("character_ngrams", 0, 8),
            ("seed", 0, 2**63),
        ):
            require_number(name, getattr(self, name), least, most)


class Encoder(MediaEncoder):
    """Describes a text by its words and pieces of words, in any language.

    With ``n[j]`` the number of n-grams of the text in bucket j, N the number of texts in the catalogue, and ``d[j]``
    that of the texts with an n-gram in bucket j, the weights are
    ``w[j] = (1 + log n[j]) (1 + log((1 + N) / (1 + d[j])))`` where ``n[j] > 0``, scaled to length 1. The
    vector is ``w P``, where P ``[buckets, width]`` is normal with variance ``1 / width``: inner products are kept in
    the mean (Johnson and Lindenstrauss).

    Frequencies are counted in the first extraction and kept, so that texts that come later are measured alike.

    Args:
        settings: Sizes.
        download: Not needed.
    """

    Settings = HashedTextSettings
    licence = "none needed"

    def __init__(self, settings: HashedTextSettings, *, download: bool = False) -> None:
        del download
        self.settings = settings
        self.inputs = TextInput()
        self.preprocessing = {"text": "NFKC, case folded, words of letters and digits"}
        self.width = settings.width
        self._inverse_frequencies = np.ones(settings.buckets, np.float32)
        random = np.random.default_rng(settings.seed)
        shape = (settings.buckets, settings.width)
        self._projection = random.standard_normal(shape, np.float32) * np.float32(settings.width**-0.5)

    def count(self, texts: Iterable[str]) -> dict[str, NDArray[np.int64]]:
        """Counts the texts, and in how many of them the n-grams of each bucket occur."""
        frequencies = np.zeros(self.settings.buckets, np.int64)
        count = 0
        for text in texts:
            frequencies[list(self._counts(text))] += 1
            count += 1
        return {"texts": np.array(count), "frequencies": frequencies}

    def fit_counts(self, counts: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[Any]]:
        """Takes the inverse document frequencies of the counts, and returns them."""
        inverse = 1 + np.log((1 + counts["texts"]) / (1 + counts["frequencies"]))
        state = {"inverse_frequencies": inverse.astype(np.float32)}
        self.restore(state)
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Takes the inverse document frequencies of an earlier extraction."""
        inverse = state.get("inverse_frequencies")
        if inverse is None or inverse.shape != (self.settings.buckets,):
            raise InvalidInputError(
                f"encoder hashed_text: has no inverse frequencies of {self.settings.buckets} buckets in its state. "
                "Extract into another folder."
            )
        self._inverse_frequencies = inverse

    def encode(self, batch: Sequence[str]) -> NDArray[np.float32]:
        """Encodes texts; a text without words is the zero vector."""
        vectors = np.zeros((len(batch), self.width), np.float32)
        for row, text in enumerate(batch):
            counts = self._counts(text)
            if counts:
                buckets = np.fromiter(counts, np.int64, len(counts))
                numbers = np.fromiter(counts.values(), np.float32, len(counts))
                weights = (1 + np.log(numbers)) * self._inverse_frequencies[buckets]
                vectors[row] = (weights / np.linalg.norm(weights)) @ self._projection[buckets]
        return vectors

    def _counts(self, text: str) -> Counter[int]:
        """How many n-grams of a text are in which bucket."""
        words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
        grams = [
            " ".join(words[first : first + length])
            for length in range(1, self.settings.word_ngrams + 1)
            for first in range(len(words) - length + 1)
        ]
        for word in words:
            edged = f"<{word}>"
            grams += [
                # A sign that no word has tells pieces of words from words.
                f"#{edged[first : first + length]}"
                for length in range(3, self.settings.character_ngrams + 1)
                for first in range(len(edged) - length + 1)
            ]
        return Counter(_hash(gram) % self.settings.buckets for gram in grams)


@lru_cache(maxsize=2**17)
def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
