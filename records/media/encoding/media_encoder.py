"""The contract of an encoder of media, and the check that every encoder passes before it is used."""

import abc
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, one_line
from tf_metammf.records.media.encoding.inputs import EncoderInput, FrameInput, SoundInput

Batch = NDArray[Any] | Sequence[str]
"""Frames ``[n, size, size, 3]``, windows ``[n, samples]`` or n texts."""


class MediaEncoder(abc.ABC):
    """Turns a batch of frames, windows of sound or texts into vectors ``[n, width]``.

    The vector of an item in a modality is the mean of the vectors of its frames, windows or texts.

    A subclass is one file. It sets the attributes below, takes an instance of its :attr:`Settings` and
    ``download`` in its constructor, and imports whatever it needs there, so that listing encoders loads nothing.

    Attributes:
        Settings: A frozen dataclass; the user's settings are checked against its fields.
        inputs: What the encoder takes, and how it is prepared: the modality follows from it.
        width: Values a vector.
        licence: Licence of the weights, as far as it is known; "none needed" without weights.
        preprocessing: What the encoder does with the values before its weights see them, as plain JSON values.
        weights: Files or folders that decide what comes out; their checksums go into the provenance.
        packages: Distributions whose versions go into the provenance.
        revision: Raised whenever the same settings give other vectors.
    """

    Settings: ClassVar[type]
    inputs: EncoderInput
    width: int
    licence: str = "unknown: that of the weights"
    preprocessing: Mapping[str, Any] = {}
    weights: tuple[Path, ...] = ()
    packages: tuple[str, ...] = ()
    revision: int = 1

    @abc.abstractmethod
    def encode(self, batch: Any) -> NDArray[np.float32]:
        """Encodes a batch.

        Args:
            batch: As :attr:`inputs` says: uint8 frames, float32 windows, or a list of texts; at least one.

        Returns:
            float32 ``[n, width]``.
        """

    def fit(self, texts: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Learns from all texts of the catalogue before any is encoded; nothing by default.

        An encoder that learns from counts alone overrides :meth:`count` and :meth:`fit_counts` instead, and is then
        fitted on several machines, too.

        Args:
            texts: Every text once, in a fixed order.

        Returns:
            What was learned, which :meth:`restore` takes. Empty where an encoder learns nothing.
        """
        counts = self.count(texts)
        return self.fit_counts(counts) if counts else {}

    def count(self, texts: Iterable[str]) -> dict[str, NDArray[np.int64]]:
        """Counts what :meth:`fit_counts` needs; nothing by default.

        Args:
            texts: All texts of the catalogue, or of a part of it.

        Returns:
            Arrays of whole numbers; those of all texts are the sums of those of the parts.
        """
        del texts
        return {}

    def fit_counts(self, counts: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[Any]]:
        """Learns from the counts of all texts, and returns what :meth:`fit` returns."""
        del counts
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Takes what an earlier :meth:`fit` returned.

        Raises:
            InvalidInputError: It does not fit the settings.
        """
        del state


def learns(encoder: MediaEncoder) -> bool:
    """Whether an encoder learns from the texts of the catalogue."""
    return type(encoder).fit is not MediaEncoder.fit or learns_from_counts(encoder)


def learns_from_counts(encoder: MediaEncoder) -> bool:
    """Whether an encoder learns from counts alone, which can be made of parts of the catalogue."""
    return type(encoder).fit is MediaEncoder.fit and type(encoder).count is not MediaEncoder.count


def modality_of(inputs: EncoderInput) -> str:
    """The modality that is made of such inputs."""
    if isinstance(inputs, FrameInput):
        return "visual"
    return "acoustic" if isinstance(inputs, SoundInput) else "textual"


def encoded(encoder: MediaEncoder, name: str, batch: Any) -> NDArray[np.float32]:
    """Encodes a batch and checks what came out.

    Raises:
        InvalidInputError: The encoder failed, or the result has another shape or is not finite.
    """
    try:
        vectors = np.asarray(encoder.encode(batch), np.float32)
    except InvalidInputError:
        raise
    except Exception as error:  # whatever a library or a user's encoder raises
        raise InvalidInputError(
            f"encoder {name}: failed on a batch of {len(batch)} ({type(error).__name__}: {one_line(error)}). Check its "
            "settings and weights."
        ) from error
    if vectors.shape != (len(batch), encoder.width):
        raise InvalidInputError(
            f"encoder {name}: gave {list(vectors.shape)} for a batch of {len(batch)}, expected "
            f"[{len(batch)}, {encoder.width}]. Check its settings and weights."
        )
    if not np.isfinite(vectors).all():
        raise InvalidInputError(
            f"encoder {name}: gave a value that is NaN or infinite. Check its preprocessing and weights."
        )
    return vectors


def require_sound(encoder: MediaEncoder, name: str) -> None:
    """Tries an encoder on two made inputs and refuses one that cannot tell them apart.

    A wrong preprocessing often drives a network into one answer for everything: values from 0 to 255 where 0 to 1 are
    expected, say. That is seen here, before hours of extraction.

    Raises:
        InvalidInputError: It fails, gives another width or values that are not finite, or the same vector twice.
    """
    vectors = encoded(encoder, name, _probes(encoder.inputs))
    if np.ptp(vectors, axis=0).max() == 0:
        raise InvalidInputError(
            f"encoder {name}: gives the same vector for two different inputs. Its preprocessing does not fit its "
            "weights; check its settings."
        )


def _probes(inputs: EncoderInput) -> Batch:
    """Two inputs that differ: noise and a slope, noise and a tone, two sentences."""
    random = np.random.default_rng(0)
    if isinstance(inputs, FrameInput):
        slope = np.linspace(0, 255, inputs.size, dtype=np.uint8)[:, np.newaxis]
        probes = [random.integers(0, 256, inputs.shape, np.uint8), np.broadcast_to(slope, inputs.shape)]
        return np.stack(probes)
    if isinstance(inputs, SoundInput):
        seconds = np.arange(inputs.samples) / inputs.sample_rate
        return np.stack([random.uniform(-0.5, 0.5, inputs.samples), np.sin(880 * np.pi * seconds)]).astype(np.float32)
    return ["a dog runs along the beach", "how to bake bread at home"]
