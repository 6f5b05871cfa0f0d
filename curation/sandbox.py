"""Decode risky files in a child process with a deadline and a limit on its memory.

Decoders of rare containers crash, spin and eat memory on hostile bytes; a child that does so is killed and costs
one row. One child serves all threads of a process, one file at a time: risky files are few.

Bytes between the two: eight bytes with a length (big endian) before each part. To the child go the file and the
thumbnail of its EXIF; back come the measurements as JSON, then each hidden column.
"""

import atexit
import json
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from curation.limits import MEMORY_LIMIT, TIME_LIMIT_S, DecodeError

# The child loads only what decodes, not the whole package with its networks.
_CHILD = """
import sys, types
package = types.ModuleType("curation")
package.__path__ = [sys.argv[1]]
sys.modules["curation"] = package
from curation.sandbox_child import main
main(int(sys.argv[2]))
"""
_LENGTH = struct.Struct(">Q")


class Sandbox:
    """A child process that examines files; started at the first file, and again after it was killed.

    Safe to use from several threads.
    """

    def __init__(
        self, time_limit_s: float = TIME_LIMIT_S, memory_limit: int = MEMORY_LIMIT
    ) -> None:
        self.time_limit_s, self.memory_limit = time_limit_s, memory_limit
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def examine(self, image: bytes, thumbnail: bytes) -> dict[str, Any]:
        """Give the columns of a file as `decode.examine_here` does in the child.

        Raises `DecodeError` (`too_slow`, `too_much_memory`, `crashed`) when the child did not come back.
        """
        with self._lock:
            child = self._running()
            timer = threading.Timer(self.time_limit_s, child.kill)
            timer.start()
            try:
                return self._ask(child, image, thumbnail)
            except (OSError, EOFError) as error:
                self.close()
                if not timer.is_alive():
                    limit = f"took more than {self.time_limit_s:g} s"
                    raise DecodeError("too_slow", limit) from error
                raise DecodeError("crashed", f"the decoder died: {child.returncode}") from error
            finally:
                timer.cancel()

    @property
    def pid(self) -> int | None:
        """Process id of the child; None when there is none."""
        return self._child.pid if self._child else None

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what was not sent yet is sent at last, to nobody
                        pipe.close()
            self._child = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            command = [
                sys.executable,
                "-c",
                _CHILD,
                str(Path(__file__).parent),
                str(self.memory_limit),
            ]
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            _read(_pipe(self._child.stdout))  # it says so when its imports are done
        return self._child

    def _ask(
        self, child: subprocess.Popen[bytes], image: bytes, thumbnail: bytes
    ) -> dict[str, Any]:
        stdin, stdout = _pipe(child.stdin), _pipe(child.stdout)
        _write(stdin, image)
        _write(stdin, thumbnail)
        found: dict[str, Any] = json.loads(_read(stdout))
        for name in found.pop("hidden"):
            found[name] = _read(stdout)
        return found


SHARED = Sandbox()
"""The child of this process."""
atexit.register(SHARED.close)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the child was started with pipes"
    return pipe


def _write(pipe: IO[bytes], part: bytes) -> None:
    pipe.write(_LENGTH.pack(len(part)))
    pipe.write(part)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    part = pipe.read(length)
    if len(part) < length:
        raise EOFError
    return part


def serve(
    examine: Callable[[bytes, bytes], Any], stdin: IO[bytes], stdout: IO[bytes], memory_limit: int
) -> None:
    """Be the child: examine files until the parent closes the pipe."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory_limit, used + memory_limit))
    _write(stdout, b"ready")
    while True:
        try:
            image, thumbnail = _read(stdin), _read(stdin)
        except EOFError:
            return
        columns = asdict(examine(image, thumbnail))
        hidden = {name: part for name, part in columns.items() if isinstance(part, bytes)}
        plain = {name: part for name, part in columns.items() if name not in hidden}
        _write(stdout, json.dumps(plain | {"hidden": list(hidden)}).encode())
        for part in hidden.values():
            _write(stdout, part)
