"""Examine one sound in a decoder process: whether it decodes, is long enough and is not silent.

The second half runs in the decoder process (`decoder_jobs.py`), which reads the untrusted bytes.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curation.decoding.limits import DecodeError
from curation.decoding.wave_samples import Samples, read_samples

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
"""The lowest and the highest sample of each stretch of time, shape (2, columns), full scale 127."""


def examine_samples(samples: Samples, rate: int) -> str:
    """Hash the samples (frames, channels) of a sound; raises `DecodeError` for a short or a silent one.

    Equal samples in another file have the same hash, whatever the width of a sample there.
    """
    if len(samples) < MIN_SECONDS * rate:
        detail = f"{len(samples) / rate:.3f} s, at least {MIN_SECONDS:g} s"
        raise DecodeError("too_short", detail)
    if (samples == samples[0]).all():
        raise DecodeError("silent", "all samples are equal")
    frames, channels = samples.shape
    digest = hashlib.sha256(f"{frames}x{channels} at {rate}\n".encode())
    digest.update((np.ascontiguousarray(samples, "<f4") + np.float32(0)).data)  # -0.0 is 0.0
    return digest.hexdigest()


def waveform(samples: Samples) -> Waveform:
    """Draw the outline of a sound (frames, channels): the range of its samples in each of 220 stretches."""
    mono = samples.mean(axis=1)
    parts = np.array_split(mono, min(WAVEFORM_COLUMNS, max(1, len(mono))))
    ranges = np.array([(part.min(), part.max()) if len(part) else (0, 0) for part in parts]).T
    return np.asarray(np.clip(ranges * 127, -127, 127), np.int8)


def sound_job(
    parts: Sequence[bytes], _options: Mapping[str, Any]
) -> tuple[dict[str, Any], list[bytes]]:
    """Examine a WAV file in a decoder process; the part of the reply is its waveform."""
    try:
        samples, rate = read_samples(parts[0])
        digest = examine_samples(samples, rate)
    except DecodeError as error:
        return {"status": error.status, "detail": error.detail}, []
    return {"status": "ok", "sha256": digest}, [waveform(samples).tobytes()]


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
