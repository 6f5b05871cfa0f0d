"""Draw a sound: its samples over time, and below them its log-mel spectrogram, with axes in seconds and hertz.

The number of Fourier transforms depends on the width of the picture and not on the length of the sound, so that an hour
of sound takes hardly longer than a word.
"""

import math
import struct
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from catalog.errors import UnreadableSoundError
from catalog.sounds.mel import mel_filters, mel_of
from catalog.sounds.wave_samples import read_samples

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Floats = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in px."""

RANGE_DB: Final = 60.0  # what is quieter than the loudest band by more is drawn as that
_WINDOW_S: Final = 0.032
_WINDOWS: Final = (64, 16_384)  # samples
_FRAMES_PER_COLUMN: Final = 4
_BATCH: Final = 128  # frames that are transformed at once
_LOWEST_HZ: Final = 60.0
_TEXT_PX: Final = 22  # the page shows the picture at half of its size
_PAPER, _INK, _WAVE, _LINE = (250, 250, 248), (70, 72, 76), (52, 92, 140), (214, 214, 210)
_QUIET_TO_LOUD: Final = np.array(
    [(6, 6, 20), (62, 18, 92), (140, 41, 100), (214, 72, 70), (250, 146, 64), (252, 240, 180)],
    np.float64,
)
_TICKS_HZ: Final = (10, 20, 50, 100, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000)


def draw_sound(body: bytes, width: int, height: int, *, has_axes: bool) -> "Image":
    """Draw a WAV file as a picture of `width` x `height` px; raises `UnreadableSoundError`."""
    from PIL import Image, ImageDraw

    samples, rate = read_samples(body)
    if not len(samples):
        raise UnreadableSoundError("too_short", "there are no samples")
    mono = samples.mean(axis=1)
    left, top, right, bottom = (104, 10, 16, 44) if has_axes else (0, 0, 0, 0)
    middle = top + (height - top - bottom) // 3
    gap = 12 if has_axes else 0
    upper = (left, top, width - right, middle - gap)
    lower = (left, middle, width - right, height - bottom)
    picture = Image.new("RGB", (width, height), _PAPER)
    picture.paste(_waveform(mono, _size(upper)), upper[:2])
    picture.paste(_spectrogram(mono, rate, _size(lower)), lower[:2])
    if has_axes:
        draw = ImageDraw.Draw(picture)
        peak = float(np.abs(mono).max())
        _write_levels(draw, upper, peak)
        _write_hertz(draw, lower, rate)
        _write_seconds(draw, lower, len(mono) / rate)
    return picture


def load_what_drawing_needs() -> None:
    """Draw a sound of 8 samples, so that a process that may open no file any more has loaded what it takes."""
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    body = head + struct.pack("<4sI", b"data", 8) + bytes(range(8))
    draw_sound(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body, 200, 120, has_axes=True)


def mel_levels(mono: npt.NDArray[np.float32], rate: int, columns: int) -> Floats:
    """Return the levels of mel bands over time, dB below the loudest, (bands, at most 4 * columns).

    Of a long sound the windows lie apart: each column of a picture shows four of them.
    """
    window = _window(rate)
    frames = min(_FRAMES_PER_COLUMN * columns, 1 + len(mono) // (window // 8))
    starts = np.linspace(0, len(mono) - 1, frames).astype(np.int64)
    padded = np.pad(mono, window // 2)
    taper = np.hanning(window + 1)[:-1].astype(np.float32)
    filters = mel_filters(rate, window, *_bands(rate)).T
    parts = []
    for begin in range(0, frames, _BATCH):
        places = starts[begin : begin + _BATCH, None] + np.arange(window)
        power = np.abs(np.fft.rfft(padded[places] * taper, axis=1)) ** 2
        parts.append(
            np.einsum("nf,fb->nb", power, filters)
        )  # starts no thread, which a product may
    energy = np.concatenate(parts).T
    loudest = max(float(energy.max()), 1e-20)
    return np.asarray(10 * np.log10(np.maximum(energy / loudest, 10 ** (-RANGE_DB / 10))))


def _window(rate: int) -> int:
    return int(np.clip(2 ** round(math.log2(_WINDOW_S * rate)), *_WINDOWS))


def _bands(rate: int) -> tuple[int, float]:
    """Give the number of bands and the lowest frequency: no band may lie between two frequencies of a transform."""
    return (40, _LOWEST_HZ) if rate >= 4000 else (16, rate / 40)


def _size(box: Box) -> tuple[int, int]:
    return max(1, box[2] - box[0]), max(1, box[3] - box[1])


def _waveform(mono: npt.NDArray[np.float32], size: tuple[int, int]) -> "Image":
    """Draw the range of the samples in each column, the peak at full height."""
    from PIL import Image

    width, height = size
    ends = np.linspace(0, len(mono), width + 1).astype(np.int64)
    starts = np.minimum(ends[:-1], len(mono) - 1)
    peak = max(float(np.abs(mono).max()), 1e-9)
    low, high = (f.reduceat(mono, starts) / peak for f in (np.minimum, np.maximum))
    before = mono[np.maximum(starts - 1, 0)] / peak  # the line between two columns
    low, high = np.minimum(low, before), np.maximum(high, before)
    middle, reach = (height - 1) / 2, max(0.0, (height - 1) / 2 - 1)
    rows = np.arange(height)[:, None]
    inside = (rows >= np.floor(middle - high * reach)) & (rows <= np.ceil(middle - low * reach))
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[round(middle)] = _LINE
    pixels[inside] = _WAVE
    return Image.fromarray(pixels)


def _spectrogram(mono: npt.NDArray[np.float32], rate: int, size: tuple[int, int]) -> "Image":
    """Draw the levels of the mel bands, low frequencies at the bottom, loud ones bright."""
    from PIL import Image

    levels = mel_levels(mono, rate, size[0])[::-1].astype(np.float32)
    fitted = Image.fromarray(levels).resize(size, Image.Resampling.BOX)
    shares = 1 + np.asarray(fitted, np.float64) / RANGE_DB  # 0 is quiet, 1 is loud
    places = np.linspace(0, 1, len(_QUIET_TO_LOUD))
    channels = [np.interp(shares, places, channel) for channel in _QUIET_TO_LOUD.T]
    return Image.fromarray(np.stack(channels, axis=2).round().astype(np.uint8))


def _write_levels(draw: "ImageDraw", box: Box, peak: float) -> None:
    _, top, _, bottom = box
    for y, level in ((top + 9, peak), ((top + bottom) / 2, 0.0), (bottom - 9, -peak)):
        _write(draw, (box[0] - 8, y), f"{level:.2g}", "rm")


def _write_hertz(draw: "ImageDraw", box: Box, rate: int) -> None:
    left, top, _, bottom = box
    bands, lowest = _bands(rate)
    low, high = float(mel_of(lowest)), float(mel_of(rate / 2))
    last = math.inf
    for hertz in (each for each in _TICKS_HZ if lowest <= each <= rate / 2):
        band = (float(mel_of(hertz)) - low) / (high - low) * (bands + 1) - 1
        y = bottom - (band + 0.5) / bands * (bottom - top)
        if top <= y <= bottom and last - y >= _TEXT_PX:
            draw.line([(left - 5, y), (left - 1, y)], _INK)
            _write(
                draw, (left - 8, y), f"{hertz} Hz" if hertz < 1000 else f"{hertz // 1000} kHz", "rm"
            )
            last = y


def _write_seconds(draw: "ImageDraw", box: Box, seconds: float) -> None:
    left, _, right, bottom = box
    step = 10.0 ** math.floor(math.log10(seconds / 4)) if seconds > 0 else 1.0
    step *= next(n for n in (1, 2, 5, 10) if seconds / (step * n) <= 8)
    for number in range(int(seconds / step) + 1):
        x = left + number * step / seconds * (right - left)
        draw.line([(x, bottom), (x, bottom + 4)], _INK)
        if x < right - 2 * _TEXT_PX or number == 0:
            _write(draw, (x, bottom + 7), f"{number * step:g} s", "ma")


def _write(draw: "ImageDraw", place: tuple[float, float], text: str, anchor: str) -> None:
    from PIL import ImageFont

    draw.text(place, text, fill=_INK, font=ImageFont.load_default(_TEXT_PX), anchor=anchor)
