"""Statistics of frames that need no weights: colour, texture, edges, and motion towards the next frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.encoding.inputs import FrameInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder
from tf_metammf.records.number_bounds import require_number

_EPSILON = 1e-6


@dataclass(frozen=True)
class ImageStatisticsSettings:
    """Settings of the encoder ``image_statistics``.

    Attributes:
        size: Height and width of the frames in pixels; a multiple of ``grid``.
        grid: Rows and columns of the cells for which colour, edges and motion are averaged apart.
        hues: Bins of the histogram of hues.
        directions: Bins of the histogram of the directions of edges.
    """

    size: int = 96
    grid: int = 3
    hues: int = 12
    directions: int = 8

    def __post_init__(self) -> None:
        for name in ("grid", "hues", "directions"):
            require_number(name, getattr(self, name), 1, 64)
        if self.size < 8 or self.size % self.grid:
            raise InvalidInputError(f"size is {self.size}, expected a multiple of grid, {self.grid}, of at least 8.")


class Encoder(MediaEncoder):
    """Describes a frame by what can be measured in it, all in ``tf.image``.

    With values from 0 to 1, a value vector holds, in this order:

    - mean and standard deviation of red, green, blue, hue, saturation and value (12);
    - the histogram of hues, weighted by saturation times value (``hues``);
    - mean red, green and blue of every cell (``3 grid ** 2``);
    - mean and standard deviation of the length of the Sobel gradient of the brightness, the histogram of its
      directions weighted by its length (2 + ``directions``), and its mean in every cell (``grid ** 2``);
    - the mean absolute difference between the brightness and its mean over 2, 4 and 8 pixels (3), for texture;
    - the mean, the standard deviation and the share above 0.1 of the absolute difference to the next frame of the
      video (3), and its mean in every cell (``grid ** 2``).

    Args:
        settings: Sizes.
        download: Not needed.
    """

    Settings = ImageStatisticsSettings
    licence = "none needed"
    packages = ("tensorflow",)

    def __init__(self, settings: ImageStatisticsSettings, *, download: bool = False) -> None:
        import tensorflow as tf

        del download
        self.settings = settings
        self.inputs = FrameInput(settings.size, successors=True)
        self.preprocessing = {"values": "uint8 divided by 255"}
        cells = settings.grid**2
        self.width = 12 + settings.hues + 3 * cells + 2 + settings.directions + cells + 3 + 3 + cells
        specification = tf.TensorSpec([None, *self.inputs.shape], tf.uint8)
        self._statistics = tf.function(self._of_pairs, input_signature=[specification])

    def encode(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encodes frames with their successors, uint8 ``[n, 2, size, size, 3]``."""
        return self._statistics(batch).numpy()  # type: ignore[no-any-return]

    def _of_pairs(self, pairs: Any) -> Any:
        import tensorflow as tf

        pairs = tf.image.convert_image_dtype(pairs, tf.float32)
        frames, successors = pairs[:, 0], pairs[:, 1]
        hsv = tf.image.rgb_to_hsv(frames)
        brightness = tf.image.rgb_to_grayscale(frames)
        motion = tf.reduce_mean(tf.abs(successors - frames), axis=3, keepdims=True)
        colours = tf.concat([frames, hsv], axis=3)
        return tf.concat(
            [
                *_mean_and_deviation(colours),
                _histogram(hsv[..., 0], hsv[..., 1] * hsv[..., 2], self.settings.hues),
                self._cells(frames),
                *self._edges(brightness),
                *_texture(brightness),
                *_mean_and_deviation(motion),
                tf.reduce_mean(tf.cast(motion > 0.1, tf.float32), axis=[1, 2]),
                self._cells(motion),
            ],
            axis=1,
        )

    def _cells(self, images: Any) -> Any:
        """Means of the cells, ``[n, grid ** 2 * channels]``."""
        import tensorflow as tf

        side = self.settings.size // self.settings.grid
        means = tf.nn.avg_pool2d(images, side, side, "VALID")
        return tf.reshape(means, [-1, self.settings.grid**2 * images.shape[3]])

    def _edges(self, brightness: Any) -> list[Any]:
        import tensorflow as tf

        gradients = tf.image.sobel_edges(brightness)[:, :, :, 0] / 4
        # An offset keeps the root finite where there is no edge.
        length = tf.sqrt(tf.reduce_sum(gradients**2, axis=3) + _EPSILON**2)
        direction = tf.atan2(gradients[..., 0], gradients[..., 1]) / (2 * np.pi) + 0.5
        length_image = length[..., tf.newaxis]
        return [
            *_mean_and_deviation(length_image),
            _histogram(direction, length, self.settings.directions),
            self._cells(length_image),
        ]


def _mean_and_deviation(images: Any) -> list[Any]:
    import tensorflow as tf

    mean, variance = tf.nn.moments(images, axes=[1, 2])
    return [mean, tf.sqrt(variance)]


def _histogram(values: Any, weights: Any, bins: int) -> Any:
    """Shares of the weights ``[n, bins]`` by values from 0 to 1, which go round."""
    import tensorflow as tf

    number = tf.cast(values * bins, tf.int32) % bins
    sums = tf.stack([tf.reduce_sum(weights * tf.cast(number == each, tf.float32), [1, 2]) for each in range(bins)], 1)
    return sums / (tf.reduce_sum(weights, [1, 2])[:, tf.newaxis] + _EPSILON)


def _texture(brightness: Any) -> list[Any]:
    import tensorflow as tf

    means = [tf.nn.avg_pool2d(brightness, side, 1, "SAME") for side in (2, 4, 8)]
    return [tf.reduce_mean(tf.abs(brightness - mean), axis=[1, 2]) for mean in means]
