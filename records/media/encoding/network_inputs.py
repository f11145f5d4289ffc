"""What an encoder that runs the user's network takes, by the name in its settings, and what the network makes of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_metammf.errors import InvalidInputError, one_line
from tf_metammf.records.media.encoding.inputs import EncoderInput, FrameInput, SoundInput, TextInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder
from tf_metammf.records.media.encoding.pixel_scales import require_scale


@dataclass(frozen=True)
class NetworkSettings:
    """Settings of an encoder that runs a network of the user's.

    Attributes:
        path: Where the network is.
        input: What it takes: "frames", "texts" or a form of sound.
        scale: How the values of pixels are prepared, which has to be that of its training; needed for frames: see
            :mod:`tf_metammf.records.media.encoding.pixel_scales`.
        size: Height and width of frames.
        sample_rate: Samples a second of sound.
        window_seconds: Length of a window of sound.
        hop_seconds: From the start of a window to that of the next.
        output: Name of the output.
    """

    path: str
    input: str
    scale: str = ""
    size: int = 224
    sample_rate: int = 16000
    window_seconds: float = 1.0
    hop_seconds: float = 1.0
    output: str = ""


def network_inputs(
    encoder: str, settings: NetworkSettings, *, frame_size: int, sound: tuple[str, ...] = ("windows",)
) -> EncoderInput:
    """What a network takes.

    Args:
        encoder: Name of the encoder.
        settings: Its settings.
        frame_size: Height and width of frames.
        sound: Names of the forms of sound that the encoder knows.

    Raises:
        InvalidInputError: ``input`` or ``scale`` is unknown.
    """
    if settings.input == "frames":
        require_scale(encoder, settings.scale)
        return FrameInput(frame_size)
    if settings.input in sound:
        return SoundInput(settings.sample_rate, settings.window_seconds, settings.hop_seconds)
    if settings.input == "texts":
        return TextInput()
    raise InvalidInputError(
        f'encoder {encoder}: input is "{settings.input}", expected frames, {", ".join(sound)} or texts.'
    )


def network_preprocessing(settings: NetworkSettings) -> dict[str, str]:
    """What is done with the values before a network sees them, for the provenance of features."""
    return {"scale": settings.scale} if settings.input == "frames" else {"values": settings.input}


def probed_width(encoder: MediaEncoder, settings: NetworkSettings) -> int:
    """The width of what a network makes of one input of zeros, or of one short text.

    Raises:
        InvalidInputError: The network does not take such an input.
    """
    probe: Any = ["a text"]
    if isinstance(encoder.inputs, FrameInput):
        probe = np.zeros((1, *encoder.inputs.shape), np.uint8)
    elif isinstance(encoder.inputs, SoundInput):
        probe = np.zeros((1, encoder.inputs.samples), np.float32)
    try:
        return int(np.asarray(encoder.encode(probe)).shape[-1])
    except InvalidInputError:
        raise
    except Exception as error:  # whatever the library raises for a shape or type that the network does not take
        raise InvalidInputError(
            f"{settings.path}: does not take {settings.input} as its settings say ({one_line(error)}). Check input, "
            "size and the window."
        ) from error
