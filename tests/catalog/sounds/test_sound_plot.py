"""A sound is drawn where it sounds: frequencies at their height, at any rate, and at a bounded cost."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from catalog import UnreadableSoundError, mel_filters
from catalog.sounds import sound_plot
from catalog.sounds.mel import mel_of
from catalog.sounds.sound_plot import draw_sound, mel_levels
from tests.made_sounds import float_wav, tone, wav, word


def sine(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def brightness(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("L"), np.float64)


@pytest.mark.parametrize("rate", [100, 1000, 4000, 8000, 44_100, 192_000, 1_000_000])
def test_no_band_is_empty_at_any_rate(rate: int) -> None:
    filters = mel_filters(rate, sound_plot._window(rate), *sound_plot._bands(rate))
    assert (filters.sum(axis=1) > 0).all()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("rate", [2000, 8000, 44_100])
def test_a_tone_is_loudest_in_the_band_of_its_frequency(rate: int, share: float) -> None:
    hertz = share * rate / 2
    levels = mel_levels(sine(hertz, rate), rate, 100)
    bands, lowest = sound_plot._bands(rate)
    centres = np.linspace(mel_of(lowest), mel_of(rate / 2), bands + 2)[1:-1]
    inner = levels[:, 20:-20].mean(axis=1)
    assert inner.max() > -6
    step = centres[1] - centres[0]
    assert abs(centres[inner.argmax()] - mel_of(hertz)) <= 1.2 * step


def test_a_later_and_higher_tone_is_further_right_and_further_up() -> None:
    both = np.concatenate([sine(300, 8000), sine(2500, 8000)])
    shown = brightness(draw_sound(wav(both * 0.5), 400, 300, has_axes=False))[100:]
    rows = [shown[:, part].mean(axis=1).argmax() for part in (slice(20, 180), slice(220, 380))]
    assert rows[0] > rows[1] + 40


def test_the_waveform_is_high_where_the_sound_is_loud() -> None:
    swelling = sine(1700, 8000) * np.linspace(0.02, 1, 4000)
    upper = np.asarray(draw_sound(wav(swelling), 400, 300, has_axes=False))[:100]
    heights = (upper == (52, 92, 140)).all(axis=2).sum(axis=0)
    assert heights[-20:].min() > 80
    assert heights[:20].max() < 20


def test_axes_leave_the_size_and_fill_the_margin() -> None:
    body = word(0, "ann", 1)
    assert draw_sound(body, 1100, 560, has_axes=True).size == (1100, 560)
    margin = brightness(draw_sound(body, 1100, 560, has_axes=True))[:, :100]
    assert margin.min() < 120, "numbers stand beside the axes"


def test_a_long_sound_takes_no_more_transforms_than_a_picture_has_columns() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 3_000_000).astype(np.float32)
    assert mel_levels(noise, 8000, 50).shape == (40, 200)
    assert draw_sound(wav(noise[:2], 8000), 50, 40, has_axes=False).size == (50, 40)


@pytest.mark.parametrize("body", [wav(np.zeros(4000)), wav(np.full(4000, 0.5)), wav(tone(440)[:1])])
def test_silence_and_a_single_sample_are_drawn(body: bytes) -> None:
    assert draw_sound(body, 200, 120, has_axes=True).size == (200, 120)


@pytest.mark.parametrize(
    "body", [b"", b"RIFF\0\0\0\0WAVE", wav(tone(440))[:-100], float_wav(np.full(99, np.nan))]
)
def test_a_broken_sound_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(UnreadableSoundError, match=r"\w{3}"):
        draw_sound(body, 200, 120, has_axes=True)
    with pytest.raises(UnreadableSoundError, match="no samples"):
        draw_sound(wav(tone(440)[:0]), 200, 120, has_axes=True)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_raise_anything_else(noise: bytes, at: int) -> None:
    body = wav(tone(440)[:400])
    with contextlib.suppress(UnreadableSoundError):
        picture = draw_sound(body[:at] + noise + body[at + len(noise) :], 60, 40, has_axes=True)
        assert picture.size == (60, 40)
