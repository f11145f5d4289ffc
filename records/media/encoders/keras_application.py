"""Image networks of ``keras.applications`` by name, such as resnet50, with weights from a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, one_line, unknown_name
from tf_metammf.records.media.encoding.inputs import FrameInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder

# The function, the module with its preprocessing, and the size that its weights were trained at.
_NETWORKS = {
    "resnet50": ("ResNet50", "resnet", 224),
    "resnet101": ("ResNet101", "resnet", 224),
    "resnet152": ("ResNet152", "resnet", 224),
    "resnet50v2": ("ResNet50V2", "resnet_v2", 224),
    "vgg16": ("VGG16", "vgg16", 224),
    "vgg19": ("VGG19", "vgg19", 224),
    "inceptionv3": ("InceptionV3", "inception_v3", 299),
    "xception": ("Xception", "xception", 299),
    "mobilenet": ("MobileNet", "mobilenet", 224),
    "mobilenetv2": ("MobileNetV2", "mobilenet_v2", 224),
    "mobilenetv3small": ("MobileNetV3Small", "mobilenet_v3", 224),
    "mobilenetv3large": ("MobileNetV3Large", "mobilenet_v3", 224),
    "densenet121": ("DenseNet121", "densenet", 224),
    "efficientnetb0": ("EfficientNetB0", "efficientnet", 224),
    "efficientnetv2b0": ("EfficientNetV2B0", "efficientnet_v2", 224),
    "efficientnetv2s": ("EfficientNetV2S", "efficientnet_v2", 384),
    "convnexttiny": ("ConvNeXtTiny", "convnext", 224),
    "nasnetmobile": ("NASNetMobile", "nasnet", 224),
}


@dataclass(frozen=True)
class KerasApplicationSettings:
    """Settings of the encoder ``keras_application``.

    Attributes:
        model: Name of the network; resnet50, 2,048 wide, is the visual encoder of the MetaMMF paper.
        weights: A file of weights in Keras' HDF5 format, with or without the classifier, or "imagenet" to download
            those of Keras, or "random" for an untrained network.
        size: Height and width of the frames; by default that which the weights were trained at.
    """

    model: str = "resnet50"
    weights: str = "imagenet"
    size: int | None = None


class Encoder(MediaEncoder):
    """The output of a network before its classifier, averaged over the picture.

    Preprocessing is the network's own ``preprocess_input``.

    Args:
        settings: Which network, and its weights.
        download: Whether the weights "imagenet" may be fetched.
    """

    Settings = KerasApplicationSettings
    licence = "that of the weights; those of Keras: Apache-2.0, trained on ImageNet"
    packages = ("tf-keras", "tensorflow")

    def __init__(self, settings: KerasApplicationSettings, *, download: bool = False) -> None:
        if settings.model not in _NETWORKS:
            raise unknown_name("network", settings.model, _NETWORKS)
        function, module, size = _NETWORKS[settings.model]
        if settings.weights == "imagenet" and not download:
            raise InvalidInputError(
                "encoder keras_application: weights is imagenet, which is downloaded. Say --download true, or give a "
                "file: --visual_settings '{weights: resnet50.h5}'."
            )
        self._require_hdf5(settings.weights)
        from tf_keras import applications, utils

        self.settings = settings
        self.inputs = FrameInput(settings.size or size)
        self._preprocess = getattr(applications, module).preprocess_input
        self.preprocessing = {"function": f"keras.applications.{module}.preprocess_input", "pooling": "mean"}
        if settings.weights == "random":
            utils.set_random_seed(0)
        network = getattr(applications, function)
        given = settings.weights if settings.weights == "imagenet" else None
        self._network = network(include_top=False, weights=given, pooling="avg", input_shape=self.inputs.shape)
        if given is None and settings.weights != "random":
            self._load(network, Path(settings.weights))
        self._network.trainable = False
        self.width = int(self._network.output_shape[-1])

    def encode(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encodes frames, uint8 ``[n, size, size, 3]``."""
        return np.asarray(self._network(self._preprocess(batch.astype(np.float32)), training=False))

    def _require_hdf5(self, weights: str) -> None:
        """Refuses a file that does not hold weights before a network is built."""
        import h5py

        if weights not in ("imagenet", "random") and not (Path(weights).is_file() and h5py.is_hdf5(weights)):
            raise InvalidInputError(
                f"encoder keras_application: weights is {weights}, expected a file of weights in HDF5 format. Give "
                "one that Keras saved, imagenet or random."
            )

    def _load(self, network: Any, path: Path) -> None:
        """Loads weights; those of a network with its classifier are loaded into one and shared."""
        self.weights = (path,)
        try:
            self._network.load_weights(path)
        except (ValueError, OSError, KeyError) as without_top:
            try:
                whole = network(include_top=True, weights=None)
                whole.load_weights(path)
                self._network.set_weights(whole.get_weights()[: len(self._network.get_weights())])
            except (ValueError, OSError, KeyError):
                raise InvalidInputError(
                    f"{path}: does not hold weights of {self.settings.model} ({one_line(without_top)}). Give those of "
                    "this network, as Keras saved them."
                ) from without_top
