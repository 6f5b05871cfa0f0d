"""Try the walls from the inside and say which hold: what `/api/limits` shows is measured, not assumed."""

import os
import socket
from collections.abc import Callable, Mapping


def what_is_closed(
    paths: Mapping[str, str],
    more: Mapping[str, Callable[[], object]] | None = None,
    errors: tuple[type[Exception], ...] = (OSError,),
) -> dict[str, bool]:
    """Return by name what this process cannot do any more; `more` attempts fail with one of `errors`."""
    attempts: dict[str, Callable[[], object]] = {
        "files_outside_cannot_be_read": lambda: _read(paths["outside"]),
        "files_cannot_be_written": lambda: _write(paths["writable"]),
        "network_cannot_be_reached": _connect,
        "programs_cannot_be_started": _start_program,
        "processes_cannot_be_started": _start_process,
        **(more or {}),
    }
    return {name: _fails(attempt, errors) for name, attempt in attempts.items()}


def _fails(attempt: Callable[[], object], errors: tuple[type[Exception], ...]) -> bool:
    try:
        attempt()
    except errors:
        return True
    return False


def _read(path: str) -> None:
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib may import
        file.read(1)


def _write(folder: str) -> None:
    path = f"{folder}/safelight-probe-{os.getpid()}"
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib may import
        file.write(b"x")
    os.unlink(path)  # noqa: PTH108 - as above


def _connect() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.connect(("127.0.0.1", 9))  # sends nothing; fails without a network


def _start_process() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _start_program() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            os.execv("/bin/true", ["true"])  # noqa: S606 - the question is whether this works
        except OSError:
            os._exit(1)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise PermissionError
