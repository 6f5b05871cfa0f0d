"""View of sounds: log-mel spectrograms, each with mean 0 and spread 1, also as if other people spoke.

A sound that is played faster or slower sounds like another vocal tract. In training each sound is resampled by a random
factor and parts of its spectrogram are blanked (SpecAugment, Park et al. 2019); in evaluation the network sees several
factors and averages. librosa computes the same mel bands (`htk=True`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog import mel_filters
from training.data.arrays import Arrays, Floats, Pixels
from training.data.views.base import View
from training.errors import UndecodableSoundError

Mels = NDArray[np.float32]
WINDOW, HOP = 256, 128  # samples: 32 and 16 ms at 8 kHz
LOWEST_HZ = 60.0
TRIM_DB = 40.0  # frames at both ends that are so much quieter than the loudest one are left out
FLOOR = 1e-7  # added to the energy of a band before the logarithm, full scale being 1
RANGE = 1e-4  # of the loudest band: what is 40 dB quieter is noise of the room or of the microphone
NOISE_DB = (5.0, 45.0)  # how much quieter than the sound the noise added in training is
NOISY_SHARE = 0.7
PACE = 0.2  # change of the duration in training that leaves the pitch
FACTORS = (0.78, 0.88, 1.0, 1.13, 1.28)
MASKED_BANDS, MASKED_TIME = 0.2, 0.2  # widest blanked share of the bands and of the frames


@dataclass(frozen=True)
class LogMel(View):
    """A WAV file as log-mel spectrogram: `mels` (N, V, bands, frames), float32.

    Any rate and number of channels becomes mono at `rate` Hz, the loudest sample being 1; of a longer sound the loudest
    `seconds` are taken. V is 1 in training, else five factors of resampling. Short sounds are repeated, so
    that their duration has no share in what is pooled over time.
    """

    kind: ClassVar[str] = "log_mel"

    rate: int = 8000
    seconds: float = 1.0
    bands: int = 40

    @property
    def frames(self) -> int:
        """Length of a spectrogram: the longest sound at the slowest factor."""
        return math.ceil(self.seconds * self.rate * max(FACTORS) / HOP)

    @property
    def sample_bytes(self) -> int:
        """Size of one sample in memory, at most."""
        return round(4 * self.rate * self.seconds)

    def prepare(self, pixels: Pixels) -> Arrays:
        """Raise NotImplementedError: a sound has no pixels."""
        raise NotImplementedError("a sound has no pixels")

    def from_bytes(self, data: bytes, name: str) -> Arrays:
        """Decode a WAV file to `wave` (samples,), float32; raises UndecodableSoundError."""
        from curation import DecodeError, read_sound

        try:
            samples, rate = read_sound(bytes(data))
        except DecodeError as error:
            raise UndecodableSoundError(name, error.detail) from error
        wave = _resampled(samples.mean(axis=1), rate, self.rate)
        loudest = self._loudest(_trimmed(wave))
        return {"wave": loudest / max(float(np.abs(loudest).max()), 1e-6)}

    def augment(self, samples: Sequence[Arrays], rngs: Sequence[np.random.Generator]) -> Arrays:
        """Resample each sound by a random factor, and blank some bands and some frames."""
        pairs = zip(samples, rngs, strict=True)
        mels = [self._changed(sample["wave"], rng) for sample, rng in pairs]
        return {"mels": np.stack(mels)[:, None]}

    def plain(self, samples: Sequence[Arrays]) -> Arrays:
        """Make the spectrograms of every factor."""
        mels = [
            [self.spectrogram(_stretched(each["wave"], f)) for f in FACTORS] for each in samples
        ]
        return {"mels": np.array(mels, np.float32)}

    def simple_features(self, sample: Arrays) -> tuple[Floats, Floats]:
        """Return the mean and spread of each band over time, and duration and level."""
        wave = sample["wave"]
        mels = log_mels(wave, self.rate, self.bands)
        level = np.log(1e-4 + np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
        crossings = np.mean(np.diff(np.signbit(wave))) if len(wave) > 1 else 0.0
        both = np.concatenate([mels.mean(axis=1), mels.std(axis=1)]).astype(np.float64)
        return both, np.array([len(wave) / self.rate, level, crossings])

    def example(self, rng: np.random.Generator) -> Arrays:
        """Return noise of half the length."""
        return {"wave": rng.normal(0, 0.1, round(self.seconds * self.rate / 2)).astype(np.float32)}

    def spectrogram(self, wave: Mels, pace: float = 1.0) -> Mels:
        """Return the standardised spectrogram of a sound (samples,), repeated up to (bands, frames).

        With another `pace` it lasts as many times as long.
        """
        mels = log_mels(wave, self.rate, self.bands)
        if pace != 1:
            size = (max(1, round(mels.shape[1] * pace)), self.bands)
            mels = np.asarray(cv2.resize(mels, size, interpolation=cv2.INTER_LINEAR), np.float32)
        mels = mels[:, : self.frames]
        centred = mels - mels.mean(axis=1, keepdims=True)
        centred /= max(float(centred.std()), 1e-3)
        repeats = -(-self.frames // centred.shape[1])
        return np.ascontiguousarray(np.tile(centred, (1, repeats))[:, : self.frames])

    def _changed(self, wave: Mels, rng: np.random.Generator) -> Mels:
        factor = math.exp(rng.uniform(math.log(min(FACTORS)), math.log(max(FACTORS))))
        changed = _with_noise(_stretched(wave, factor), rng)
        pace = math.exp(rng.uniform(-PACE, PACE))
        mels = self.spectrogram(changed, pace)
        for axis, extent, most in ((0, self.bands, MASKED_BANDS), (1, self.frames, MASKED_TIME)):
            width = int(rng.integers(0, int(most * extent) + 1))
            start = int(rng.integers(0, extent - width + 1))
            cut = [slice(None), slice(None)]
            cut[axis] = slice(start, start + width)
            mels[tuple(cut)] = 0.0
        return mels

    def _loudest(self, wave: Mels) -> Mels:
        """Return the loudest stretch of at most `seconds`."""
        length = round(self.seconds * self.rate)
        if len(wave) <= length:
            return wave
        energy = np.concatenate([[0.0], np.cumsum(np.square(wave, dtype=np.float64))])
        start = int(np.argmax(energy[length:] - energy[:-length]))
        return wave[start : start + length]


def log_mels(wave: Mels, rate: int, bands: int) -> Mels:
    """Return the log energy in mel bands of a sound (samples,): (bands, 1 + samples // 128)."""
    padded = np.pad(wave, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1], axis=1)) ** 2 / WINDOW
    mels = mel_filters(rate, WINDOW, bands, LOWEST_HZ) @ power.T
    return np.asarray(np.log(mels + FLOOR + RANGE * mels.max()), np.float32)


def _resampled(wave: Mels, rate: int, wanted: int) -> Mels:
    """Bring a sound to another rate, without what the lower rate cannot hold."""
    if rate == wanted:
        return np.asarray(wave, np.float32)
    from scipy.signal import resample_poly

    shared = math.gcd(rate, wanted)
    return np.asarray(resample_poly(wave, wanted // shared, rate // shared), np.float32)


def _stretched(wave: Mels, factor: float) -> Mels:
    """Play a sound `factor` times as long, and as much lower."""
    if factor == 1:
        return wave
    n = max(2, round(len(wave) * factor))
    places = np.linspace(0.0, len(wave) - 1.0, n)
    return np.interp(places, np.arange(len(wave)), wave).astype(np.float32)


def _with_noise(wave: Mels, rng: np.random.Generator) -> Mels:
    """Add noise of a random colour, white to brown, to most sounds."""
    if rng.random() >= NOISY_SHARE:
        return wave
    spectrum = np.fft.rfft(rng.standard_normal(len(wave)))
    spectrum *= np.arange(1, len(spectrum) + 1) ** -rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, len(wave))
    level = np.sqrt(np.mean(np.square(wave)) / max(float(np.mean(np.square(noise))), 1e-12))
    quieter = 10 ** (-rng.uniform(*NOISE_DB) / 20)
    return np.asarray(wave + level * quieter * noise, np.float32)


def _trimmed(wave: Mels) -> Mels:
    """Leave out the quiet frames at both ends."""
    n = len(wave) // HOP
    if n < 3:
        return wave
    level = np.square(wave[: n * HOP].reshape(n, HOP), dtype=np.float64).mean(axis=1)
    (loud,) = np.nonzero(level >= level.max() * 10 ** (-TRIM_DB / 10))
    return wave[loud[0] * HOP : (loud[-1] + 1) * HOP + HOP]
