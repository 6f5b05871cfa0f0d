"""Notice every opening of a file, by the kernel's inotify, and every change below a folder."""

import ctypes
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

_OPEN, _ACCESS, _MODIFY = 0x20, 0x1, 0x2


class Watch:
    """Watches files from its making on; `touched` names those that somebody has opened, read or written."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._descriptor >= 0
        self._paths = {self._add(path): path for path in paths}

    def _add(self, path: Path) -> int:
        descriptor: int = self._libc.inotify_add_watch(
            self._descriptor, os.fsencode(path), _OPEN | _ACCESS | _MODIFY
        )
        assert descriptor > 0, path
        return descriptor

    def touched(self) -> set[str]:
        names = set()
        try:
            while body := os.read(self._descriptor, 65_536):
                position = 0
                while position < len(body):
                    watch = int.from_bytes(body[position : position + 4], "little")
                    length = int.from_bytes(body[position + 12 : position + 16], "little")
                    names.add(self._paths[watch].name)
                    position += 16 + length
        except BlockingIOError:
            return names
        return names


def everything_below(*folders: Path) -> dict[str, str]:
    """Hash every file below some folders."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
