"""Landlock, the Linux kernel's own wall for one process: what is not named cannot be opened.

Spoken to by system calls, since glibc has no functions for it (kernel: Documentation/userspace-api/landlock.rst).
A rule set counts for the calling thread and for what it starts later, so apply it before there are threads.
"""

import ctypes
import os
import struct
from collections.abc import Sequence

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_ASK_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = 1 << 2  # of what is allowed beneath a path that is a file
# How many rights of the file system, and of the network, each version of the interface knows.
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NET_RIGHTS = 0b11  # bind and connect of TCP, from version 4
_SCOPES = 0b11  # abstract Unix sockets and signals, from version 6


def version() -> int:
    """Return the version of the interface that the kernel has; 0 without Landlock."""
    return max(0, _call(_CREATE, None, 0, _ASK_VERSION))


def restrict_to(readable: Sequence[str], *, network: bool = False) -> bool:
    """Forbid this thread every file but to read below `readable`, TCP, and signals; False without Landlock.

    With `network` TCP stays open. `prctl(PR_SET_NO_NEW_PRIVS)` must come first. Raises `OSError` when the kernel
    refuses.
    """
    abi = version()
    if not abi:
        return False
    handled = (1 << _FS_RIGHTS[min(abi, max(_FS_RIGHTS))]) - 1
    tcp = _NET_RIGHTS if abi >= 4 and not network else 0
    fields = [handled, tcp, _SCOPES if abi >= 6 else 0]
    attributes = struct.pack("=3Q", *fields)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _checked(_call(_CREATE, attributes, len(attributes), 0))
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        _checked(_call(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _allow_reading(ruleset: int, path: str) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = _READ_FILE | _READ_DIR if os.path.isdir(path) else _FILE_RIGHTS  # noqa: PTH112 - a plain name
        rule = struct.pack("=Qi", rights, descriptor)
        _checked(_call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return int(libc.syscall(ctypes.c_long(number), *given))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
