"""Examine one sound in a decoder process: whether it decodes, is long enough and is not silent.

The second half runs in the decoder process (`decoder_jobs.py`), which reads the untrusted bytes.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from catalog import Samples, UnreadableSoundError, read_samples
from curation.decoding.limits import DecodeError

MIN_SECONDS: Final = 0.05  # a shorter one has no word, note or call
WAVEFORM_COLUMNS: Final = 220
STATUSES: Final = frozenset(
    [
        "ok",
        "not_a_sound",
        "unsupported",
        "truncated",
        "undecodable",
        "too_large",
        "too_short",
        "silent",
    ]
)
Waveform = npt.NDArray[np.int8]
"""The lowest and the highest sample of each stretch of time, shape (2, columns), the peak being 127."""


def read_sound(body: bytes) -> tuple[Samples, int]:
    """Give the samples (frames, channels), from -1 to 1, of a WAV file and their rate in Hz.

    Raises `DecodeError` for a file that cannot be read, a short sound and a silent one.
    """
    try:
        samples, rate = read_samples(body)
    except UnreadableSoundError as error:
        raise DecodeError(error.status, error.detail) from error
    if len(samples) < MIN_SECONDS * rate:
        detail = f"{len(samples) / rate:.3f} s, at least {MIN_SECONDS:g} s"
        raise DecodeError("too_short", detail)
    if (samples == samples[0]).all():
        raise DecodeError("silent", "all samples are equal")
    return samples, rate


def hash_samples(samples: Samples, rate: int) -> str:
    """Hash samples (frames, channels); the width of a sample in the file does not matter."""
    frames, channels = samples.shape
    digest = hashlib.sha256(f"{frames}x{channels} at {rate}\n".encode())
    digest.update((np.ascontiguousarray(samples, "<f4") + np.float32(0)).data)  # -0.0 is 0.0
    return digest.hexdigest()


def waveform(samples: Samples) -> Waveform:
    """Outline a sound (frames, channels): the range of its samples in each of 220 stretches, its peak being 127."""
    mono = samples.mean(axis=1)
    parts = np.array_split(mono, min(WAVEFORM_COLUMNS, max(1, len(mono))))
    ranges = np.array([(part.min(), part.max()) if len(part) else (0, 0) for part in parts]).T
    return np.asarray(np.round(ranges * 127 / max(float(np.abs(ranges).max()), 1e-9)), np.int8)


def draw_outline(outline: Waveform, height_px: int) -> npt.NDArray[np.uint8]:
    """Draw the outline of a sound over time as RGB pixels (height, 2 a column, 3), the loudest at full height."""
    ranges = outline.astype(np.float64)
    peak = max(1.0, float(np.abs(ranges).max()))
    middle, reach = height_px // 2, max(1, height_px // 2 - 4)
    picture = np.full((height_px, 2 * ranges.shape[1], 3), 245, np.uint8)
    picture[middle] = 190
    for column, (low, high) in enumerate((ranges / peak * reach).T.round().astype(int)):
        picture[middle - high : middle - low + 1, 2 * column : 2 * column + 2] = (60, 90, 130)
    return picture


def sound_picture(body: bytes, height_px: int) -> npt.NDArray[np.uint8]:
    """Draw a WAV file that a run kept, RGB pixels (height, width, 3); raises `DecodeError`."""
    return draw_outline(waveform(read_sound(body)[0]), height_px)


def sound_job(
    parts: Sequence[bytes], _options: Mapping[str, Any]
) -> tuple[dict[str, Any], list[bytes]]:
    """Examine a WAV file in a decoder process; the part of the reply is its waveform."""
    try:
        samples, rate = read_sound(parts[0])
    except DecodeError as error:
        return {"status": error.status, "detail": error.detail}, []
    result = {"status": "ok", "sha256": hash_samples(samples, rate)}
    return result, [waveform(samples).tobytes()]


def checked_reply(result: Mapping[str, Any], parts: Sequence[bytes]) -> tuple[str, Waveform]:
    """Accept hash and waveform from a decoder process; raises `DecodeError` for a failure or an impossible reply."""
    status, detail, digest = (result.get(name) for name in ("status", "detail", "sha256"))
    if status != "ok":
        is_known = isinstance(status, str) and status in STATUSES
        raise DecodeError(str(status) if is_known else "crashed", str(detail)[:200])
    is_hash = isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
    size = len(parts[0]) if len(parts) == 1 else 0
    if not is_hash or not 0 < size <= 2 * WAVEFORM_COLUMNS or size % 2:
        raise DecodeError("crashed", "the decoder process gave an impossible sound")
    return str(digest), np.frombuffer(parts[0], np.int8).reshape(2, -1)
