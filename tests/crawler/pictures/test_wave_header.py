import struct
import wave
from io import BytesIO

import pytest
from hypothesis import given, settings, strategies as st

from crawler.examination.examine import examine
from crawler.pictures.wave_header import WaveHeader, is_wave, read_wave
from tests.factories import jpeg, picture

SOUND = frozenset({"sound"})


def sound(frames: int = 4000, rate: int = 8000, channels: int = 2) -> bytes:
    stream = BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(b"\1\2" * frames * channels)
    return stream.getvalue()


def layout(kind: int, channels: int, rate: int, byte_rate: int, frame: int) -> bytes:
    fmt = struct.pack("<HHIIHH", kind, channels, rate, byte_rate, frame, 16)
    data = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"data" + struct.pack("<I", 800) + bytes(800)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fmt + data


def test_a_sound_says_length_rate_and_channels() -> None:
    found = examine(sound(), media=SOUND)
    assert found.rejected is None
    assert found.exif == {}
    assert (found.asset["format"], found.asset["mime"]) == ("WAV", "audio/wav")
    assert [found.asset[name] for name in ("duration_s", "sample_rate", "channels")] == [
        0.5,
        8000,
        2,
    ]
    assert found.asset["header_status"] == "ok"


def test_only_the_wanted_kinds_of_file_come_in() -> None:
    picture_too = frozenset({"image", "sound"})
    assert examine(sound()).rejected == "not_an_image"
    assert examine(jpeg(), media=SOUND).rejected == "not_a_sound"
    assert examine(b"", media=SOUND).rejected == "empty"
    assert examine(jpeg(), media=picture_too).asset["format"] == "JPEG"
    assert examine(sound(), media=picture_too).asset["format"] == "WAV"
    webp = BytesIO()
    picture().save(webp, "WEBP")  # also a RIFF file
    assert examine(webp.getvalue(), media=SOUND).rejected == "not_a_sound"


def test_a_cut_sound_is_truncated_and_keeps_the_length_that_is_there() -> None:
    found = read_wave(sound()[: 44 + 8000])
    assert (found.status, found.duration_s) == ("truncated", 0.25)
    assert read_wave(sound()[:40]).status == "truncated"  # no data at all
    assert read_wave(sound()[:30]).status == "unreadable"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (layout(1, 1, 8000, 0, 2), 0.05),
        (layout(0xFFFE, 2, 8000, 0, 4), 0.025),
        (layout(0x55, 2, 8000, 1600, 1), 0.5),  # MPEG in WAVE: frames say nothing
        (layout(0x55, 2, 8000, 0, 1), None),
    ],
)
def test_other_encodings_are_read_too(header: bytes, seconds: float | None) -> None:
    assert read_wave(header).duration_s == seconds
    assert read_wave(header).status == "ok"


@pytest.mark.parametrize(
    "header",
    [
        layout(1, 0, 8000, 0, 2),
        layout(1, 1, 0, 0, 2),
        layout(1, 1, 2**32 - 1, 0, 2),
        layout(1, 1, 8000, 0, 0),
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0WAVEdata\1\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt \2\0\0\0\0\0",
        b"RIFF\0\0\0\0WAVE" + b"fake\0\0\0\0" * 5000,
    ],
)
def test_a_hostile_header_is_unreadable(header: bytes) -> None:
    found = read_wave(header)
    assert found == WaveHeader(status="unreadable", detail=found.detail)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_headers_always_give_an_answer_that_fits(data: st.DataObject) -> None:
    body = bytearray(sound(frames=20))
    for place in data.draw(st.lists(st.integers(12, len(body) - 1), max_size=8)):
        body[place] = data.draw(st.integers(0, 255))
    assert is_wave(bytes(body))
    found = read_wave(bytes(body[: data.draw(st.integers(12, len(body)))]))
    assert found.status in ("ok", "truncated", "unreadable")
    assert 0 < (found.sample_rate or 1) < 2**31
    assert 0 <= (found.duration_s or 0) < 2**32
