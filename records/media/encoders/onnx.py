"""Any network in an ONNX file, such as the picture, sound and text towers of CLIP and CLAP."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, one_line
from tf_metammf.records.media.encoding.inputs import FrameInput, TextInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder
from tf_metammf.records.media.encoding.network_inputs import (
    NetworkSettings,
    network_inputs,
    network_preprocessing,
    probed_width,
)
from tf_metammf.records.media.encoding.pixel_scales import scaled


@dataclass(frozen=True)
class OnnxSettings(NetworkSettings):
    """Settings of the encoder ``onnx``.

    ``path`` is the file, ``input`` "frames", "windows" ``[n, samples]`` of sound or "texts", and ``output`` the name of
    an output, by default the first. Outputs ``[n, tokens, width]`` are averaged over the tokens.

    Attributes:
        size: Height and width of frames; by default read from the file, else 224.
        layout: Order of the axes of frames, "nchw" or "nhwc"; by default read from the file.
        tokenizer: For texts, a ``tokenizer.json`` as Hugging Face writes it (package ``tokenizers``); without it the
            network has to take strings.
        most_tokens: Tokens of a text beyond this number are left out.
    """

    size: int = 0
    layout: str = ""
    tokenizer: str = ""
    most_tokens: int = 256


class Encoder(MediaEncoder):
    """An ONNX file, run by onnxruntime on the CPU.

    Args:
        settings: Where it is, and what it takes.
        download: Not needed.
    """

    Settings = OnnxSettings
    packages = ("onnxruntime",)

    def __init__(self, settings: OnnxSettings, *, download: bool = False) -> None:
        del download
        self.settings = settings
        self._session = _session(Path(settings.path))
        self._arguments = {argument.name: argument for argument in self._session.get_inputs()}
        size = self._frame_size() if settings.input == "frames" else 0
        self.inputs = network_inputs("onnx", settings, frame_size=size)
        self.weights = (Path(settings.path), *([Path(settings.tokenizer)] if settings.tokenizer else []))
        self.preprocessing = network_preprocessing(settings)
        self._tokenizer = _tokenizer(settings) if settings.tokenizer else None
        names = [output.name for output in self._session.get_outputs()]
        if settings.output and settings.output not in names:
            raise InvalidInputError(f"{settings.path}: has the outputs {', '.join(names)}. Name one as output.")
        self._output = settings.output or names[0]
        self.width = probed_width(self, settings)

    def encode(self, batch: Any) -> NDArray[np.float32]:
        """Encodes a batch as :attr:`inputs` says."""
        if isinstance(self.inputs, TextInput):
            return self._of_texts(list(batch))
        if isinstance(self.inputs, FrameInput):
            batch = scaled(batch, self.settings.scale)
            batch = batch.transpose(0, 3, 1, 2) if self._layout == "nchw" else batch
        return self._run({self._first.name: np.ascontiguousarray(batch, np.float32)})

    @property
    def _first(self) -> Any:
        return next(iter(self._arguments.values()))

    def _of_texts(self, texts: list[str]) -> NDArray[np.float32]:
        if self._tokenizer is None:
            return self._run({self._first.name: np.array(texts, object)})
        encodings = self._tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return self._run({name: values[name] for name in self._arguments if name in values}, mask=mask)

    def _run(self, values: dict[str, Any], *, mask: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        (found,) = self._session.run([self._output], values)
        found = np.asarray(found, np.float32)
        if found.ndim == 3 and mask is not None:
            weights = mask[..., np.newaxis].astype(np.float32)
            return (found * weights).sum(axis=1) / weights.sum(axis=1)  # type: ignore[no-any-return]
        return found.reshape(len(found), -1, found.shape[-1]).mean(axis=1) if found.ndim > 2 else found

    def _frame_size(self) -> int:
        """Height and width of frames, checked against what the file declares; finds the order of the axes, too."""
        shape, layouts = list(self._first.shape), {"nchw": 1, "nhwc": 3}
        of_pictures = [name for name, axis in layouts.items() if len(shape) == 4 and shape[axis] == 3]
        unknown = [name for name, axis in layouts.items() if len(shape) == 4 and not isinstance(shape[axis], int)]
        self._layout = self.settings.layout or (of_pictures or unknown or ["nchw"])[0]
        if self._layout not in of_pictures + unknown:
            raise InvalidInputError(
                f'{self.settings.path}: takes {shape} as "{self._first.name}", expected pictures with 3 channels in '
                f"the layout {self._layout}. Change layout, or give a network of pictures."
            )
        declared, size = shape[2], self.settings.size
        if isinstance(declared, int) and size not in (0, declared):
            raise InvalidInputError(
                f"{self.settings.path}: takes pictures of {declared} pixels, and size is {size}. Leave it out."
            )
        return declared if isinstance(declared, int) else size or 224


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise InvalidInputError(
            "encoder onnx: needs onnxruntime, which is not installed. Install it: pip install 'tf-metammf[onnx]'."
        ) from None
    if not path.is_file():
        raise InvalidInputError(f"encoder onnx: path is {path}, expected an ONNX file.")
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class of their own that is public
        raise InvalidInputError(f"{path}: cannot be loaded as an ONNX model ({one_line(error)}).") from error


def _tokenizer(settings: OnnxSettings) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise InvalidInputError("encoder onnx: tokenizer needs tokenizers: pip install tokenizers.") from None
    try:
        tokenizer = Tokenizer.from_file(settings.tokenizer)
    except Exception as error:  # it raises Exception itself
        raise InvalidInputError(
            f"{settings.tokenizer}: cannot be read as tokenizer.json ({one_line(error)})."
        ) from error
    tokenizer.enable_truncation(settings.most_tokens)
    tokenizer.enable_padding()
    return tokenizer
