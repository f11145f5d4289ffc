"""Statistics of sound that need no weights: log-mel bands, spectral shape, loudness, onsets and tempo."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.media.encoding.inputs import SoundInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder
from tf_metammf.records.number_bounds import require_number

_EPSILON = 1e-6
_TEMPI = (40.0, 200.0)
"""Slowest and fastest tempo in beats a minute."""


@dataclass(frozen=True)
class SoundStatisticsSettings:
    """Settings of the encoder ``sound_statistics``.

    Attributes:
        sample_rate: Samples a second.
        window_seconds: Length of the windows that get a vector each; a tempo of 40 beats a minute needs 3 s.
        hop_seconds: From the start of a window to that of the next.
        mel_bands: Number of bands on the mel scale, from 50 Hz to half the sample rate.
    """

    sample_rate: int = 16000
    window_seconds: float = 3.0
    hop_seconds: float = 1.5
    mel_bands: int = 32

    def __post_init__(self) -> None:
        require_number("mel_bands", self.mel_bands, 2, 256)
        require_number("window_seconds", self.window_seconds, 0.2)


class Encoder(MediaEncoder):
    """Describes a window of sound by its spectrum over time, all in ``tf.signal``.

    Spectra are short-time Fourier transforms ``S[t, f]`` of 64 ms every 16 ms (Hann windows). A vector holds

    - mean and standard deviation over time of the logarithm of the energy in every mel band (``2 mel_bands``);
    - mean and standard deviation over time of the spectral centroid ``sum_f f S / sum_f S``, of the bandwidth (the
      deviation of f around it), both as shares of half the sample rate, of the flatness (geometric over arithmetic mean
      of the power), and of the loudness, the root of the mean square (8);
    - onsets a second: times at which the summed rise of the log-mel bands is a maximum over 5 spectra and more than one
      standard deviation above its mean (1);
    - the tempo: the lag between 40 and 200 beats a minute at which that rise agrees best with itself (its
      autocorrelation), in beats a second, and the height of that agreement, 0 to 1 (2).

    Args:
        settings: Sizes.
        download: Not needed.
    """

    Settings = SoundStatisticsSettings
    licence = "none needed"
    packages = ("tensorflow",)

    def __init__(self, settings: SoundStatisticsSettings, *, download: bool = False) -> None:
        import tensorflow as tf

        del download
        self.settings = settings
        self.inputs = SoundInput(settings.sample_rate, settings.window_seconds, settings.hop_seconds)
        self.preprocessing = {"values": "float32 from -1 to 1", "spectrum": "Hann, 64 ms every 16 ms"}
        self.width = 2 * settings.mel_bands + 8 + 1 + 2
        self._length = max(16, round(0.064 * settings.sample_rate))
        self._step = max(4, round(0.016 * settings.sample_rate))
        specification = tf.TensorSpec([None, self.inputs.samples], tf.float32)
        self._statistics = tf.function(self._of_windows, input_signature=[specification])

    def encode(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encodes windows, float32 ``[n, samples]``."""
        return self._statistics(batch).numpy()  # type: ignore[no-any-return]

    def _of_windows(self, windows: Any) -> Any:
        import tensorflow as tf

        rate = self.settings.sample_rate
        spectra = tf.abs(tf.signal.stft(windows, self._length, self._step))
        bins = spectra.shape[2]
        to_mel = tf.signal.linear_to_mel_weight_matrix(self.settings.mel_bands, bins, rate, 50.0, rate / 2)
        log_mel = tf.math.log(tf.matmul(spectra**2, to_mel) + _EPSILON)
        shares = tf.linspace(0.0, 1.0, bins)
        total = tf.reduce_sum(spectra, axis=2) + _EPSILON
        centroid = tf.reduce_sum(spectra * shares, axis=2) / total
        spread = (shares - centroid[..., tf.newaxis]) ** 2
        bandwidth = tf.sqrt(tf.reduce_sum(spectra * spread, axis=2) / total)
        power = spectra**2 + _EPSILON
        flatness = tf.exp(tf.reduce_mean(tf.math.log(power), axis=2)) / tf.reduce_mean(power, axis=2)
        frames = tf.signal.frame(windows, self._length, self._step)
        loudness = tf.sqrt(tf.reduce_mean(frames**2, axis=2))
        shape = tf.stack([centroid, bandwidth, flatness, loudness], axis=2)
        rise = tf.reduce_mean(tf.nn.relu(log_mel[:, 1:] - log_mel[:, :-1]), axis=2)
        return tf.concat(
            [
                *_mean_and_deviation(log_mel),
                *_mean_and_deviation(shape),
                _onsets(rise)[:, tf.newaxis] / self.settings.window_seconds,
                *self._tempo(rise),
            ],
            axis=1,
        )

    def _tempo(self, rise: Any) -> list[Any]:
        import tensorflow as tf

        seconds = self._step / self.settings.sample_rate
        count = rise.shape[1]
        lags = [max(1, round(60 / tempo / seconds)) for tempo in reversed(_TEMPI)]
        first, last = lags[0], min(lags[1], count - 2)
        if last <= first:
            return [tf.zeros([tf.shape(rise)[0], 2])]
        centred = rise - tf.reduce_mean(rise, axis=1, keepdims=True)
        size = 2 ** int(np.ceil(np.log2(2 * count)))
        spectrum = tf.signal.rfft(tf.pad(centred, [[0, 0], [0, size - count]]))
        agreement = tf.signal.irfft(spectrum * tf.math.conj(spectrum))
        # Fewer spectra overlap at a longer lag, which prefers a tempo to its half and its third.
        relative = agreement[:, first : last + 1] / (agreement[:, :1] + _EPSILON)
        best = tf.argmax(relative, axis=1)
        # Looked up, because TensorFlow rounds a quotient differently in batches of another size.
        beats = tf.gather((1 / (np.arange(first, last + 1) * seconds)).astype(np.float32), best)
        height = tf.clip_by_value(tf.reduce_max(relative, axis=1), 0.0, 1.0)
        return [tf.where(height > 0, beats, 0.0)[:, tf.newaxis], height[:, tf.newaxis]]


def _mean_and_deviation(series: Any) -> list[Any]:
    """Mean and standard deviation over time of ``[n, time, values]``."""
    import tensorflow as tf

    mean, variance = tf.nn.moments(series, axes=[1])
    return [mean, tf.sqrt(variance)]


def _onsets(rise: Any) -> Any:
    """The number of onsets in every window, float32 ``[n]``."""
    import tensorflow as tf

    mean, variance = tf.nn.moments(rise, axes=[1], keepdims=True)
    most = tf.nn.max_pool1d(rise[..., tf.newaxis], 5, 1, "SAME")[..., 0]
    is_onset = (rise >= most) & (rise > mean + tf.sqrt(variance)) & (rise > _EPSILON)
    return tf.reduce_sum(tf.cast(is_onset, tf.float32), axis=1)
