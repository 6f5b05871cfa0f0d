"""A list of the system calls that a process may still make (seccomp): all others fail with EPERM.

Decoding needs memory and its open pipes. What is not listed here (open, socket, clone, execve, kill, ptrace ...)
cannot be reached by code that took a decoder over, and with it most of the kernel. Kernel:
Documentation/userspace-api/seccomp_filter.rst.
"""

import ctypes
import os
import struct
import sys

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE = 0x00050000 | 1  # EPERM
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # in the kernel's `struct seccomp_data`
_FOREIGN = 0x40000000  # calls of the x32 interface on x86_64

# Name -> (x86_64, aarch64).
_CALLS = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
}
# Machine -> (its number in audit.h, its column above).
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


class _Program(ctypes.Structure):
    """The kernel's `struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def restrict_system_calls() -> bool:
    """Forbid this thread, for good, every call but those above; False where the system does not allow that.

    `prctl(PR_SET_NO_NEW_PRIVS)` must come first.
    """
    machine = _MACHINES.get(os.uname().machine)
    if sys.platform != "linux" or machine is None or sys.maxsize < 2**32:
        return False
    architecture, column = machine
    body = _filter(architecture, [numbers[column] for numbers in _CALLS.values()])
    program = _Program(len(body) // 8, body)
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)
    return int(failed) == 0


def _filter(architecture: int, allowed: list[int]) -> bytes:
    """Write the program that the kernel runs before each call."""
    last = len(allowed)
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, last, 0, _FOREIGN),
        *((_JUMP_EQUAL, last - at, 0, number) for at, number in enumerate(allowed)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
