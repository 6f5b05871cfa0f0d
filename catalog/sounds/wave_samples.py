"""Read the samples of a RIFF WAVE file: PCM of 8 to 32 bits and float, any rate, any number of channels.

The standard library's `wave` reads PCM alone, and takes a file that was cut for a shorter one. This reader needs numpy
only, so that the console and predictions use it, too. Lengths in the file are checked against its bytes before
anything is allocated.
"""

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from catalog.errors import UnreadableSoundError

Samples = npt.NDArray[np.float32]
"""Samples from -1 to 1, shape (frames, channels)."""

MAX_VALUES: Final = 50_000_000  # samples times channels: 200 MB as floats, 17 minutes of a CD
MAX_CHANNELS: Final = 64
RATES: Final = (100, 1_000_000)  # Hz
_MAX_CHUNKS: Final = 1024
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_OPEN_END: Final = 0xFFFFFFFF  # length in files of a writer that could not go back to its header


def is_wave(body: bytes) -> bool:
    """Say whether the first bytes are those of a RIFF WAVE file."""
    return body[:4] == b"RIFF" and body[8:12] == b"WAVE"


def read_samples(body: bytes) -> tuple[Samples, int]:
    """Give the samples (frames, channels), from -1 to 1, and their rate in Hz.

    Raises `UnreadableSoundError` with a status: not_a_sound, unsupported, truncated, undecodable or too_large.
    """
    if not is_wave(body):
        detail = f"no WAV file starts with {body[:8]!r}" if body else "the file is empty"
        raise UnreadableSoundError("not_a_sound", detail)
    layout: tuple[int, ...] | None = None
    for name, start, length in _chunks(body):
        if name == b"fmt " and layout is None:
            layout = _layout(body[start : start + length])
        if name == b"data":
            if layout is None:
                raise UnreadableSoundError("undecodable", "samples stand before their format")
            return _decoded(body, start, length, layout), layout[2]
    raise UnreadableSoundError("truncated" if layout else "undecodable", "there are no samples")


def _chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give name, start and announced length of each chunk."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(body):
            return
        length = int.from_bytes(body[at + 4 : at + 8], "little")
        yield body[at : at + 4], at + 8, length
        at += 8 + length + length % 2


def _layout(chunk: bytes) -> tuple[int, ...]:
    """Read kind, channels, rate in Hz and bytes a value of a `fmt ` chunk; raises `UnreadableSoundError`."""
    if len(chunk) < 16:
        raise UnreadableSoundError("undecodable", "the format has fewer than 16 bytes")
    kind, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _EXTENSIBLE and len(chunk) >= 26:
        (kind,) = struct.unpack_from("<H", chunk, 24)
    size = frame // channels if channels else 0
    if (
        not 0 < channels <= MAX_CHANNELS
        or frame != size * channels
        or not RATES[0] <= rate <= RATES[1]
    ):
        raise UnreadableSoundError(
            "undecodable", f"{channels} channels, {frame} bytes a frame, {rate} Hz"
        )
    known = {_PCM: (1, 2, 3, 4), _FLOAT: (4, 8)}
    if size not in known.get(kind, ()) or bits > 8 * size:
        raise UnreadableSoundError(
            "unsupported", f"format {kind} with {bits} bits; PCM and float are read"
        )
    return kind, channels, rate, size


def _decoded(body: bytes, start: int, length: int, layout: tuple[int, ...]) -> Samples:
    kind, channels, _, size = layout
    there = len(body) - start
    if length == _OPEN_END:
        length = there
    if there < length:
        raise UnreadableSoundError("truncated", f"{there} bytes of samples, {length} announced")
    n = length // (size * channels) * channels
    if n > MAX_VALUES:
        raise UnreadableSoundError("too_large", f"{n} samples, at most {MAX_VALUES}")
    samples = _values(body[start : start + n * size], kind, size).reshape(-1, channels)
    if not np.isfinite(samples).all():
        raise UnreadableSoundError("undecodable", "samples are not finite numbers")
    return samples


def _values(data: bytes, kind: int, size: int) -> Samples:
    if kind == _FLOAT:
        return np.frombuffer(data, f"<f{size}").astype(np.float32)
    if size == 1:  # the only unsigned one
        centred, full_scale = np.frombuffer(data, np.uint8).astype(np.float32) - 128, 7
    elif size == 3:  # widened to 32 bits, the lowest byte 0
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        centred, full_scale = wide.view("<i4")[:, 0].astype(np.float32), 31
    else:
        centred, full_scale = np.frombuffer(data, f"<i{size}").astype(np.float32), 8 * size - 1
    return np.asarray(centred / np.float32(2**full_scale), np.float32)
