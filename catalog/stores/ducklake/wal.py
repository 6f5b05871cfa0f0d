"""Read the pages that stand in a write-ahead log of SQLite (https://www.sqlite.org/walformat.html).

SQLite takes no locks on the log itself, so it may be read beside an open database. Which frames count is decided as
SQLite does when it opens a log: up to the last commit before the first wrong checksum. What lies behind it is left of
an older log, or of a transaction that was killed and has been overwritten in part; such frames carry the log's salts.
"""

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_HEADER = struct.Struct(">8I")  # magic, format, page bytes, checkpoint, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, database pages at a commit (else 0), two salts, two checksums
_PAGE_BYTES = [2**power for power in range(9, 17)]
_MAGIC = 0x377F0682  # checksums of little-endian words; one more: of big-endian words
_MODULUS = 2**32

Matrix = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Wal:
    """What the committed transactions of a log wrote: pages by number, the newest of each, and the database's pages.

    `salts` name the log: it gets new ones whenever it begins anew. `frames` are its committed frames, oldest first,
    each the number and the bytes of a page. Where `is_damaged` says that the head of the log is wrong, there are none.
    """

    salts: tuple[int, int]
    pages: dict[int, bytes]
    database_pages: int
    frames: tuple[tuple[int, bytes], ...] = ()
    is_damaged: bool = False


def read_wal(path: Path) -> Wal | None:
    """Read a log; None when there is none, or nothing in it."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(raw) < _HEADER.size:
        return None
    magic, _, page_bytes, *_ = _HEADER.unpack_from(raw)
    if page_bytes not in _PAGE_BYTES or magic not in (_MAGIC, _MAGIC + 1):
        return Wal((0, 0), {}, 0, is_damaged=True)
    return _read(raw, page_bytes, "<u4" if magic == _MAGIC else ">u4")


def _read(raw: bytes, page_bytes: int, word: str) -> Wal:
    *_, salt, other_salt, first, second = _HEADER.unpack_from(raw)
    if (sums := _checksum(np.frombuffer(raw, word, 6))) != (first, second):
        return Wal((salt, other_salt), {}, 0, is_damaged=True)
    step = _FRAME.size + page_bytes
    n = (len(raw) - _HEADER.size) // step
    frames, size, committed_frames = list[tuple[int, bytes]](), 0, 0
    for at, own in zip(
        range(_HEADER.size, _HEADER.size + n * step, step),
        _own_sums(raw, n, step, word),
        strict=True,
    ):
        number, committed, *salts, first, second = _FRAME.unpack_from(raw, at)
        sums = _added(_carried(sums, step), own)
        if salts != [salt, other_salt] or sums != (first, second):
            break
        frames.append((number, raw[at + _FRAME.size : at + step]))
        if committed:
            size, committed_frames = committed, len(frames)
    frames = frames[:committed_frames]
    return Wal((salt, other_salt), dict(frames), size, tuple(frames))


# The checksum of SQLite takes two words x, y at a time: s = s + x + t, then t = t + y + s, both modulo 2**32. That is
# linear in the sums and in the words, so what the words of a frame add is known for all frames at once.


def _own_sums(raw: bytes, n: int, step: int, word: str) -> list[tuple[int, int]]:
    """Give what each frame adds to the sums of those before it: its first 8 bytes and its page count."""
    each = np.frombuffer(raw, np.uint8, n * step, _HEADER.size).reshape(n, step)
    counted = np.hstack([each[:, :8], each[:, _FRAME.size :]])
    words = counted.view(word).astype(np.uint32)
    weights = _weights(words.shape[1])
    return [(int(s), int(t)) for s, t in zip(words @ weights[0], words @ weights[1], strict=True)]


def _checksum(words: npt.NDArray[np.uint32]) -> tuple[int, int]:
    first, second = _weights(len(words)) @ words.astype(np.uint32)
    return int(first), int(second)


def _carried(sums: tuple[int, int], step: int) -> tuple[int, int]:
    """Carry the sums of the frames before over one frame of `step` bytes."""
    return _times(_power((step - _FRAME.size + 8) // 8), sums)


@cache
def _weights(words: int) -> npt.NDArray[np.uint32]:
    """Give how often each of so many words stands in the two sums at the end, shape (2, words)."""
    columns, last_x, last_y = list[tuple[int, int]](), (1, 1), (0, 1)
    for _ in range(words // 2):
        columns += [last_y, last_x]
        last_x, last_y = _times(_power(1), last_x), _times(_power(1), last_y)
    return np.array(columns[::-1], np.uint32).T


@cache
def _power(n: int) -> Matrix:
    """Raise the matrix of one step to the power `n`."""
    result: Matrix = ((1, 0), (0, 1))
    for _ in range(n):
        (a, b), (c, d) = result
        result = (
            ((a + c) % _MODULUS, (b + d) % _MODULUS),
            ((a + 2 * c) % _MODULUS, (b + 2 * d) % _MODULUS),
        )
    return result


def _times(matrix: Matrix, sums: tuple[int, int]) -> tuple[int, int]:
    (a, b), (c, d) = matrix
    s, t = sums
    return (a * s + b * t) % _MODULUS, (c * s + d * t) % _MODULUS


def _added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return (one[0] + other[0]) % _MODULUS, (one[1] + other[1]) % _MODULUS
