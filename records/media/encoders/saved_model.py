"""Any network in TensorFlow's SavedModel format, such as those of TensorFlow Hub: VGGish, YAMNet, image models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tf_metammf.errors import InvalidInputError, one_line
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder
from tf_metammf.records.media.encoding.network_inputs import (
    NetworkSettings,
    network_inputs,
    network_preprocessing,
    probed_width,
)
from tf_metammf.records.media.encoding.pixel_scales import scaled


@dataclass(frozen=True)
class SavedModelSettings(NetworkSettings):
    """Settings of the encoder ``saved_model``.

    ``path`` is the folder, ``input`` "frames" ``[n, size, size, 3]``, "waveform" ``[samples]`` one window at a time,
    "windows" ``[n, samples]``, or "texts" ``[n]``, and ``output`` the name or number of an output, by default the only
    one. YAMNet's embedding is the output 1.

    Attributes:
        window_seconds: Length of a window of sound.
        hop_seconds: From the start of a window to that of the next.
        signature: Name of the signature to call; by default the model itself, or ``serving_default``.
    """

    window_seconds: float = 0.96
    hop_seconds: float = 0.96
    signature: str = ""


class Encoder(MediaEncoder):
    """A SavedModel as it is.

    What a model gives for one window may have a row for each part of it, as VGGish and YAMNet do, whose rows are
    averaged.

    Args:
        settings: Where it is, and what it takes.
        download: Not needed.
    """

    Settings = SavedModelSettings
    packages = ("tensorflow",)

    def __init__(self, settings: SavedModelSettings, *, download: bool = False) -> None:
        import tensorflow as tf

        del download
        path = Path(settings.path)
        if not (path / "saved_model.pb").is_file():
            raise InvalidInputError(f"{path}: expected the folder of a SavedModel, with saved_model.pb.")
        self.settings = settings
        self.inputs = network_inputs("saved_model", settings, frame_size=settings.size, sound=("waveform", "windows"))
        self.weights = (path,)
        self.preprocessing = network_preprocessing(settings)
        try:
            self._model = tf.saved_model.load(str(path))
        except Exception as error:  # of what a damaged SavedModel makes TensorFlow raise there is no list
            raise InvalidInputError(f"{path}: cannot be loaded as a SavedModel ({one_line(error)}).") from error
        self._call = self._callable()
        self.width = probed_width(self, settings)

    def encode(self, batch: Any) -> Any:
        """Encodes a batch as :attr:`inputs` says."""
        import tensorflow as tf

        if self.settings.input == "waveform":
            return np.stack([_rows(self._output(self._call(tf.constant(window)))).mean(axis=0) for window in batch])
        if self.settings.input == "frames":
            batch = scaled(batch, self.settings.scale)
        rows = self._output(self._call(tf.constant(batch)))
        return rows.reshape(len(batch), -1, rows.shape[-1]).mean(axis=1)

    def _callable(self) -> Any:
        signatures = getattr(self._model, "signatures", {})
        if not self.settings.signature and callable(self._model):
            return self._model
        name = self.settings.signature or "serving_default"
        if name not in signatures:
            raise InvalidInputError(
                f'{self.settings.path}: has no signature "{name}"; it has {", ".join(signatures) or "none"}. Name one.'
            )
        function = signatures[name]
        (argument, *others) = function.structured_input_signature[1]
        if others:
            raise InvalidInputError(
                f'{self.settings.path}: the signature "{name}" takes {len(others) + 1} inputs, expected 1.'
            )
        return lambda values: function(**{argument: values})

    def _output(self, found: Any) -> Any:
        """The chosen output as an array."""
        wanted = self.settings.output
        if isinstance(found, dict):
            names = sorted(found)
            name = wanted or (names[0] if len(names) == 1 else "")
            if name not in found:
                raise InvalidInputError(
                    f"{self.settings.path}: has the outputs {', '.join(names)}. Name one as output."
                )
            return np.asarray(found[name], np.float32)
        if isinstance(found, list | tuple):
            if not wanted.isdecimal() or int(wanted) >= len(found):
                raise InvalidInputError(
                    f"{self.settings.path}: has the outputs 0 to {len(found) - 1}. Give a number as output."
                )
            found = found[int(wanted)]
        return np.asarray(found, np.float32)


def _rows(values: Any) -> Any:
    return values.reshape(-1, values.shape[-1])
