"""Log-mel spectrograms: the same sound in any file gives the same picture of it."""

import math

import numpy as np
import pytest
from scipy import signal

from catalog import mel_filters
from tests.factories import jpeg
from tests.made_sounds import float_wav, tone, wav
from training.data.views.log_mel import FACTORS, LOWEST_HZ, WINDOW, LogMel, log_mels
from training.errors import UndecodableSoundError

VIEW = LogMel()
TONE = tone(440, 0.4)


def spectrogram(body: bytes) -> np.ndarray:
    sample = VIEW.from_bytes(body, "a sound")
    return VIEW.spectrogram(sample["wave"])


def test_a_tone_is_loudest_in_its_band() -> None:
    mels = log_mels(np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000).astype(np.float32), 8000, 40)
    assert mels.shape == (40, 1 + 4000 // 128)
    filters = mel_filters(8000, WINDOW, 40, LOWEST_HZ)
    assert filters.shape == (40, 129)
    assert (filters.max(axis=1) > 0.4).all(), "no band is empty"
    centre = filters.argmax(axis=1) * 8000 / 256
    assert abs(centre[mels.mean(axis=1).argmax()] - 1000) < 60


def weight_of(hertz: float, edges: tuple[float, float, float]) -> float:
    """Give the height of a triangle between three frequencies, drawn edge by edge."""
    low, centre, high = edges
    if low < hertz <= centre:
        return (hertz - low) / (centre - low)
    return (high - hertz) / (high - centre) if centre < hertz < high else 0.0


def test_bands_are_those_of_a_second_implementation() -> None:
    """scipy's transform, and natural logarithms in place of those to the base of ten (O'Shaughnessy's 1127)."""
    wave = np.random.default_rng(0).normal(0, 0.1, 4000)
    _, _, transform = signal.stft(
        wave, window="hann", nperseg=256, noverlap=128, boundary="zeros", padded=False
    )
    power = np.abs(transform) ** 2 * signal.get_window("hann", 256).sum() ** 2 / 256
    mels = [1127 * math.log1p(hertz / 700) for hertz in (60.0, 4000.0)]
    step = (mels[1] - mels[0]) / 41
    edges = [700 * math.expm1((mels[0] + i * step) / 1127) for i in range(42)]
    filters = np.array(
        [
            [weight_of(k * 8000 / 256, (edges[i], edges[i + 1], edges[i + 2])) for k in range(129)]
            for i in range(40)
        ]
    )
    energy = filters @ power
    expected = np.log(energy + 1e-7 + 1e-4 * energy.max())
    ours = log_mels(wave.astype(np.float32), 8000, 40)
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() < 2e-3


def test_bands_are_those_of_librosa() -> None:
    librosa = pytest.importorskip("librosa", reason="needs librosa")
    theirs = librosa.filters.mel(sr=8000, n_fft=256, n_mels=40, fmin=60.0, htk=True, norm=None)
    assert np.abs(theirs - mel_filters(8000, WINDOW, 40, LOWEST_HZ)).max() < 1e-6
    wave = np.random.default_rng(0).normal(0, 0.1, 4000)
    power = np.abs(librosa.stft(wave, n_fft=256, hop_length=128, pad_mode="constant")) ** 2 / 256
    mels = theirs @ power
    expected = np.log(mels + 1e-7 + 1e-4 * mels.max())
    assert np.abs(log_mels(wave.astype(np.float32), 8000, 40) - expected).max() < 1e-3


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_width_channels_and_level_do_not_matter(width: int) -> None:
    plain = spectrogram(wav(TONE))
    stereo = np.stack([TONE, TONE], axis=1) * 0.5
    other = spectrogram(wav(stereo, width=width))
    assert np.corrcoef(plain.ravel(), other.ravel())[0, 1] > (0.9 if width == 1 else 0.999)
    assert np.abs(plain - spectrogram(float_wav(TONE))).max() < 0.05


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 44_100, 48_000])
def test_the_rate_does_not_matter(rate: int) -> None:
    plain, other = spectrogram(wav(TONE)), spectrogram(wav(tone(440, 0.4, rate), rate))
    assert np.corrcoef(plain.ravel(), other.ravel())[0, 1] > 0.98


def test_silence_at_the_ends_and_a_long_sound_leave_the_loudest_second() -> None:
    quiet = np.zeros(6000)
    around = VIEW.from_bytes(wav(np.concatenate([quiet, TONE, quiet])), "padded")["wave"]
    assert len(around) < len(TONE) + 3 * 128
    long = np.concatenate([tone(300, 2.0) * 0.2, tone(500, 1.0), tone(300, 2.0) * 0.2])
    sample = VIEW.from_bytes(wav(long), "long")["wave"]
    assert len(sample) == 8000
    assert np.abs(sample).max() == pytest.approx(1.0)


def test_training_draws_one_factor_and_evaluation_sees_all() -> None:
    sample = VIEW.from_bytes(wav(TONE), "a sound")
    plain = VIEW.plain([sample, sample])["mels"]
    assert plain.shape == (2, len(FACTORS), 40, VIEW.frames)
    assert plain.dtype == np.float32
    drawn = [VIEW.augment([sample], [np.random.default_rng(seed)])["mels"] for seed in (1, 1, 2)]
    assert drawn[0].shape == (1, 1, 40, VIEW.frames)
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    scene, statistics = VIEW.simple_features(sample)
    assert (scene.shape, statistics.shape) == ((80,), (3,))
    assert np.isfinite([*scene, *statistics]).all()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (jpeg(), "no WAV file starts with"),
        (b"", "the file is empty"),
        (wav(TONE[:0]), "at least 0.05 s"),
        (wav(np.zeros(4000)), "all samples are equal"),
        (wav(TONE)[:-9], "announced"),
    ],
)
def test_what_cannot_be_heard_is_an_error_of_one_line(body: bytes, says: str) -> None:
    with pytest.raises(UndecodableSoundError, match=f"x.wav cannot be heard .*{says}") as error:
        VIEW.from_bytes(body, "x.wav")
    assert "\n" not in str(error.value)


def test_the_shortest_sound_is_prepared() -> None:
    click = VIEW.from_bytes(wav(TONE[:401]), "click")
    assert np.isfinite(VIEW.plain([click])["mels"]).all()
    assert np.isfinite(VIEW.augment([click], [np.random.default_rng(0)])["mels"]).all()
