"""Read the header of a RIFF WAVE sound; stated lengths are checked against the bytes.

The standard library's `wave` reads PCM only and raises on other formats; this module never raises.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MAX_CHUNKS = 1024
_MAX_RATE = 10_000_000  # Hz; sounds of bats are sampled at 500,000
_PLAIN = frozenset(
    [1, 3, 6, 7, 0xFFFE]
)  # PCM, float, A-law, mu-law, extensible: frames of one size


@dataclass(frozen=True)
class WaveHeader:
    """The values of a header; status is ok, truncated (fewer bytes than announced) or unreadable.

    `duration_s` is the duration of the existing bytes, in seconds; `sample_rate` is in Hz.
    """

    duration_s: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    status: str = "ok"
    detail: str | None = None


def is_wave(body: bytes) -> bool:
    """Say whether the magic bytes are those of a RIFF WAVE file."""
    return body[:4] == b"RIFF" and body[8:12] == b"WAVE"


def read_wave(body: bytes) -> WaveHeader:
    """Read the header; never raises, whatever the bytes."""
    layout: tuple[int, ...] | None = None
    for name, start, length in _chunks(body):
        there = max(0, min(length, len(body) - start))
        if name == b"fmt " and layout is None:
            if there < 16:
                break
            layout = struct.unpack_from("<HHIIHH", body, start)
        if name == b"data":
            return _header(layout, length, there) if layout else _unreadable("data before fmt")
    return _header(layout, 1, 0) if layout else _unreadable("no fmt chunk")


def _chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give name, start and announced length of each chunk."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(body):
            return
        length = int.from_bytes(body[at + 4 : at + 8], "little")
        yield body[at : at + 4], at + 8, length
        at += 8 + length + length % 2


def _header(layout: tuple[int, ...], announced: int, there: int) -> WaveHeader:
    kind, channels, rate, byte_rate, frame, _bits = layout
    if not (channels and frame and 0 < rate <= _MAX_RATE):
        return _unreadable(f"{channels} channels, {frame} bytes a frame, {rate} Hz")
    seconds = there // frame / rate if kind in _PLAIN else there / byte_rate if byte_rate else None
    if there < announced:
        return WaveHeader(seconds, rate, channels, "truncated", "fewer samples than announced")
    return WaveHeader(seconds, rate, channels)


def _unreadable(why: str) -> WaveHeader:
    return WaveHeader(status="unreadable", detail=why)
