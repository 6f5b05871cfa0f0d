"""A byte stream that stops a parser which reads too often or too much.

Broken files keep EXIF parsers busy: a directory may claim 65,535 entries that each point to another
long value. Time limits need a process and differ from run to run; counting reads is exact, cheap and
works in any thread. Real photographs need fewer than 1,000 reads.
"""

from io import BytesIO

MAX_READS = 10_000

_read = BytesIO.read  # a plain name: this is the most frequent call of the crawler


class TooMuchWorkError(Exception):
    """The parser made more reads, or read more bytes, than any valid file needs."""


class BoundedReader(BytesIO):
    """BytesIO whose reads cost 1 each plus 1 per KiB, and raise when `max_reads` is exceeded.

    Reading everything four times is always within the bound.

    >>> BoundedReader(b"abc", max_reads=1).read(2)
    b'ab'
    """

    def __init__(self, data: bytes, *, max_reads: int = MAX_READS) -> None:
        super().__init__(data)
        self._left = max_reads + (len(data) >> 8)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read like BytesIO, within the bound; raises `TooMuchWorkError`."""
        data = _read(self, size)
        self._left -= 1 + (len(data) >> 10)
        if self._left < 0:
            raise TooMuchWorkError("stopped a parser that read too often or too much")
        return data
