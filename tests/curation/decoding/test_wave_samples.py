"""WAV files of every width and layout give the same samples; broken ones a status."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, strategies as st

from catalog import UnreadableSoundError, read_samples
from curation.decoding.decoding import examine_sound, sound_waveform
from curation.decoding.limits import DecodeError
from tests.factories import jpeg
from tests.made_sounds import float_wav, tone, wav
from tests.real_data import members, needs

TONE = tone(440)


@pytest.mark.parametrize(("width", "error"), [(1, 1e-2), (2, 1e-4), (3, 1e-6), (4, 1e-6)])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_width_gives_the_samples(width: int, error: float, channels: int) -> None:
    table = np.stack([TONE, -TONE][:channels], axis=1)
    samples, rate = read_samples(wav(table, 44_100, width))
    assert (samples.shape, samples.dtype, rate) == (table.shape, np.float32, 44_100)
    assert np.abs(samples - table).max() < error


@pytest.mark.parametrize("extensible", [False, True])
def test_floats_are_read(extensible: bool) -> None:
    samples, rate = read_samples(float_wav(TONE, 48_000, extensible=extensible))
    assert rate == 48_000
    assert np.abs(samples[:, 0] - TONE).max() < 1e-7


def test_equal_samples_in_another_width_have_the_same_hash() -> None:
    exact = np.round(TONE * 127) / 128
    one, two, three = wav(exact * 128 / 127, width=1), float_wav(exact), wav(TONE)
    assert read_samples(one)[0].tolist() == read_samples(two)[0].tolist()
    hashes = [examine_sound(body).pixel_sha256 for body in (one, two, three)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_length_that_the_writer_left_open_goes_to_the_end() -> None:
    body = wav(TONE)
    place = body.index(b"data") + 4
    streamed = body[:place] + b"\xff\xff\xff\xff" + body[place + 4 :]
    assert len(read_samples(streamed)[0]) == len(TONE)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", "not_a_sound"),
        (jpeg(), "not_a_sound"),
        (wav(TONE)[:-100], "truncated"),
        (wav(TONE)[:36], "truncated"),
        (wav(TONE)[:20], "undecodable"),
        (b"RIFF\0\0\0\0WAVE", "undecodable"),
        (wav(TONE[:0]), "too_short"),
        (wav(TONE[:399]), "too_short"),
        (wav(np.zeros(4000)), "silent"),
        (wav(np.full(4000, 0.5)), "silent"),
        (wav(TONE).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", 6, 1), 1), "unsupported"),
        (wav(TONE).replace(struct.pack("<I", 8000), bytes(4), 1), "undecodable"),
        (float_wav(np.full(4000, np.nan)), "undecodable"),
    ],
)  # fmt: skip
def test_a_sound_without_use_has_a_status(body: bytes, status: str) -> None:
    health = examine_sound(body)
    assert (health.decode_status, health.pixel_sha256) == (status, None)
    assert health.detail


@given(st.binary(max_size=80), st.integers(0, 60))
def test_no_bytes_raise_anything_else(noise: bytes, at: int) -> None:
    body = wav(TONE[:40])
    for hostile in (body[:at] + noise + body[at + len(noise) :], b"RIFF0000WAVE" + noise):
        with contextlib.suppress(UnreadableSoundError):
            assert np.isfinite(read_samples(hostile)[0]).all()


def test_the_waveform_is_the_range_of_the_samples() -> None:
    outline = sound_waveform(wav(TONE))
    assert outline.shape == (2, 220)
    assert outline[1, :20].max() > 30
    assert outline[1, -20:].max() < outline[1, :20].max()
    with pytest.raises(DecodeError, match="announced"):
        sound_waveform(wav(TONE)[:-10])


@needs("sounds/fsdd.tar")
def test_real_sounds_are_read() -> None:
    for _, body in members("sounds/fsdd.tar", every=40):
        samples, rate = read_samples(body)
        assert rate == 8000
        assert 0.1 * rate < len(samples) < 3 * rate
