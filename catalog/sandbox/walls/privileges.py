"""Give up what a process may do: user, capabilities, network, new privileges. Linux; elsewhere nothing is given up.

Each step is tried by itself and says whether the system allowed it. `closed.py` then tests what is really closed.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from typing import Any

NOBODY = 65534
_NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_NET = 0x04000000, 0x08000000, 0x10000000, 0x40000000
_NEW_MOUNTS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
VIEW = ".view"
"""Folder below a neutral place (`places.py`) with one empty folder for each of its links: what they are mounted on."""
_PDEATHSIG, _SET_DUMPABLE, _NO_NEW_PRIVS = 1, 4, 38
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_VERSION_3 = 0x20080522


def leave_network(*, keep_user: bool) -> bool:
    """Move this process into a network of its own, without any interface; False where that is not allowed.

    Without `keep_user` also into a user namespace of its own, which an ordinary user needs for it and in which
    root is root no more. The process must have one thread.
    """
    flags = _NEW_NET | _NEW_IPC | _NEW_UTS
    return _libc("unshare", flags if keep_user else flags | _NEW_USER) == 0


def mount_below(place: str) -> bool:
    """Turn the links in a neutral place into mounts that only this process and its children see.

    False where that is not allowed: the links stay. The process must have one thread.
    """
    links = [entry for entry in os.scandir(place) if entry.is_symlink()]
    view = f"{place}/{VIEW}"
    steps: list[tuple[Any, ...]] = [
        ("unshare", _NEW_MOUNTS),
        ("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None),
        *(_bind(os.path.realpath(link.path), f"{view}/{link.name}", _MS_BIND) for link in links),
        _bind(view, place, _MS_BIND | _MS_REC),
    ]
    return all(_libc(name, *arguments) == 0 for name, *arguments in steps)


def _bind(source: str, target: str, flags: int) -> tuple[str, bytes, bytes, None, int, None]:
    return "mount", os.fsencode(source), os.fsencode(target), None, flags, None


def become_nobody() -> bool:
    """Become the user `nobody` for good; False for an ordinary user, who cannot."""
    if os.geteuid() != 0:
        return False
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False
    return True


def drop_capabilities() -> None:
    """Give up all capabilities, and the way to new ones by set-user-id programs."""
    number = _CAPSET.get(os.uname().machine)
    if sys.platform == "linux" and number is not None:
        header = struct.pack("=Ii", _CAPABILITIES_VERSION_3, 0)
        _libc("syscall", number, header, struct.pack("=6I", *[0] * 6))
    _prctl(_NO_NEW_PRIVS, 1)
    _prctl(_SET_DUMPABLE, 0)


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends."""
    _prctl(_PDEATHSIG, signal.SIGKILL)


def limit(kind: int, value: int) -> None:
    """Set a resource limit for good, or the lower one that is there already."""
    hard = resource.getrlimit(kind)[1]
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(kind, (most, most))


def address_space() -> int:
    """Return the bytes of address space that this process has mapped; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - no path object needed
            return int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _libc("prctl", option, value, 0, 0, 0)


def _libc(name: str, *arguments: int | bytes | None) -> int:
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except AttributeError:  # not Linux
        return -1
    return int(function(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]))


def readable_by_nobody(paths: Sequence[str]) -> bool:
    """Say whether `nobody` could read these files and folders, and we may become `nobody`. Forks to find out."""
    if os.geteuid() != 0:
        return False
    pid = os.fork()
    if pid == 0:
        fine = become_nobody() and all(_readable(path) for path in paths)
        os._exit(0 if fine else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _readable(path: str) -> bool:
    """Try to open a file, or the first file below a folder."""
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - no path object needed
            with open(path, "rb"):  # noqa: PTH123 - no path object needed
                return True
        entries = list(os.scandir(path))
    except OSError:
        return False
    folders = [entry.path for entry in entries if entry.is_dir()]
    files = [entry.path for entry in entries if entry.is_file()]
    return all(_readable(one) for one in [*folders[:3], *files[:1]])
