"""Make WAV files of every width, and a folder of words by several speakers."""

import io
import struct
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000
SPEAKERS = {"ann": 1.0, "bob": 0.85, "cid": 1.15, "dee": 1.3}
WORDS = 3


def tone(hertz: float, seconds: float = 0.3, rate: int = RATE) -> NDArray[np.float64]:
    """Play a decaying tone with two overtones, (samples,), from -1 to 1."""
    time = np.arange(round(seconds * rate)) / rate
    parts = [np.sin(2 * np.pi * n * hertz * time) / n for n in (1, 2, 3)]
    return np.asarray(np.sum(parts, axis=0) * np.exp(-3 * time) / 3)


def wav(samples: NDArray[np.float64], rate: int = RATE, width: int = 2) -> bytes:
    """Write samples (frames,) or (frames, channels) from -1 to 1 as PCM with `width` bytes a value."""
    table = samples if samples.ndim == 2 else samples[:, None]
    whole = np.round(table * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    if width == 1:
        whole += 128
    data = whole[..., None].astype("<i8").view(np.uint8).reshape(*whole.shape, 8)[..., :width]
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(table.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(data).tobytes())
    return stream.getvalue()


def float_wav(samples: NDArray[np.float64], rate: int = RATE, *, extensible: bool = False) -> bytes:
    """Write samples (frames,) as 32-bit floats, with the plain or the extensible header."""
    data = samples.astype("<f4").tobytes()
    kind = 0xFFFE if extensible else 3
    head = struct.pack("<HHIIHH", kind, 1, rate, 4 * rate, 4, 32)
    if extensible:
        head += struct.pack("<HHIH", 22, 32, 4, 3) + bytes(14)
    chunks = b"fmt " + struct.pack("<I", len(head)) + head
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def word(digit: int, speaker: str, take: int) -> bytes:
    """Say one of three words: three tones up, down or level, at the pitch of the speaker, with some noise."""
    rng = np.random.default_rng([digit, *speaker.encode(), take])
    steps = ((1, 1.5, 2), (2, 1.5, 1), (1, 1, 1))[digit]
    pitch = 400 * SPEAKERS[speaker] * rng.uniform(0.97, 1.03)
    samples = np.concatenate([tone(pitch * step, rng.uniform(0.1, 0.14)) for step in steps])
    return wav((samples * rng.uniform(0.4, 0.9) + rng.normal(0, 0.004, len(samples))).clip(-1, 1))


def write_words(folder: Path, takes: int) -> None:
    """Write `digit_speaker_take.wav` for three words, four speakers and some takes."""
    folder.mkdir(parents=True, exist_ok=True)
    for speaker in SPEAKERS:
        for digit in range(WORDS):
            for take in range(takes):
                name = f"{digit}_{speaker}_{take}.wav"
                (folder / name).write_bytes(word(digit, speaker, take))
