import pytest

from crawler.pictures.bounded_reader import BoundedReader, TooMuchWorkError


def test_reads_like_a_plain_stream_within_the_bound() -> None:
    stream = BoundedReader(b"abcdef")
    stream.seek(2)
    assert stream.read(3) == b"cde"
    assert stream.read() == b"f"


def test_too_many_reads_end_the_work() -> None:
    stream = BoundedReader(b"abc", max_reads=5)
    for _ in range(5):
        stream.seek(0)
        stream.read(1)
    with pytest.raises(TooMuchWorkError):
        stream.read(1)


def test_reading_large_values_again_and_again_ends_the_work() -> None:
    stream = BoundedReader(bytes(1 << 20), max_reads=100)
    for _ in range(4):
        stream.seek(0)
        assert len(stream.read()) == 1 << 20
    stream.seek(0)
    with pytest.raises(TooMuchWorkError):
        stream.read()
