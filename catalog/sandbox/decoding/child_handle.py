"""The other side of one decoder child: start it, hand it a file, take what comes back as the word of a stranger.

The bytes of a file go through shared memory, requests and replies through pipes (written down in `decoder_child.py`).
A reply is JSON of bounded size and lengths that are checked against the output; whether its values make sense only the
caller can tell.
"""

import json
import logging
import os
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from catalog.errors import SandboxError
from catalog.sandbox.walls.limits import MB, DecoderLimits

log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
MAX_REPLY = 4 * MB
_KEPT_INPUT = 16 * MB  # shared memory that a large file took is given back
_START = Path(__file__).with_name("decoder_start.py")
_HERE = {
    "catalog": str(Path(__file__).parents[2]),
    "catalog.sandbox": str(Path(__file__).parents[1]),
}
# The whole environment of a child: a library that starts threads would have them outside the walls.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "TZ": "UTC",
}
_LENGTH = struct.Struct(">I")
_PIECE = 1 << 16  # what a pipe holds

Status = Literal["too_slow", "too_much_memory", "crashed", "undecodable"]


class DecoderError(Exception):
    """A file was not decoded; `status` says in a word why, the message in a line."""

    def __init__(self, status: Status, detail: str) -> None:
        super().__init__(detail)
        self.status: Status = status
        self.detail = detail


@dataclass(frozen=True)
class Decoded:
    """What a child said of a file: well-formed JSON, and parts (pixels). Nothing in it is known to be true."""

    result: Mapping[str, Any]
    parts: Sequence[bytes]


class DecoderProcess:
    """One child, started by the constructor (raises `SandboxError`). One file at a time: not for several threads.

    The child ends with the thread that started it.
    """

    def __init__(self, module: str, limits: DecoderLimits) -> None:
        self.limits, self.busy_s = limits, 0.0
        self._input, self._output = _shared_memory(0), _shared_memory(limits.output_bytes)
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        theirs = {
            "requests": requests,
            "replies": replies,
            "input": self._input,
            "output": self._output,
        }
        settings = {
            "packages": _packages(module),
            "module": module,
            "files": theirs,
            "limits": asdict(limits) | {"cpu_s": limits.cpu_s},
            "parent": os.getpid(),
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-I", str(_START), json.dumps(settings)],
                cwd="/",
                env=_ENVIRONMENT,
                pass_fds=list(theirs.values()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self._close_files()
            raise SandboxError(f"a decoder process cannot be started: {error}") from error
        finally:
            os.close(requests)
            os.close(replies)
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)
        self.closed = self._started()

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Say whether it lives and has work left in it."""
        return self._process.poll() is None and self.busy_s < self.limits.busy_s

    def decode(self, job: str, parts: Sequence[bytes], options: Mapping[str, object]) -> Decoded:
        """Have one file decoded; raises `DecoderError`, and the child is gone unless it said so itself."""
        started = time.monotonic()
        try:
            self._write_input(parts)
            self._send({"job": job, "options": options, "lengths": [len(part) for part in parts]})
            return self._decoded(self._receive(started + self.limits.timeout_s))
        except TimeoutError as error:
            self.close()
            limit = f"took more than {self.limits.timeout_s:g} s"
            raise DecoderError("too_slow", limit) from error
        except (OSError, EOFError) as error:
            raise self._crashed() from error
        except _NonsenseError as error:
            self.close()
            raise DecoderError("crashed", f"the decoder process gave {error}") from error
        finally:
            self.busy_s += time.monotonic() - started

    def close(self) -> None:
        """End the child, if it lives."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        self._close_files()

    def _close_files(self) -> None:
        for name in ("_input", "_output", "_requests", "_replies"):
            descriptor = getattr(self, name)
            setattr(self, name, -1)
            if descriptor >= 0:
                os.close(descriptor)

    def _started(self) -> Mapping[str, bool]:
        """Wait until the walls stand; return which of them hold."""
        try:
            reply = self._receive(time.monotonic() + START_TIMEOUT_S)
        except (OSError, EOFError, _NonsenseError) as error:  # a timeout is an OSError
            self.close()
            raise SandboxError(
                f"a decoder process did not start (exit {self._process.returncode})"
            ) from error
        if "closed" not in reply:
            self.close()
            raise SandboxError(f"a decoder process did not start: {reply.get('detail')}")
        return {str(name): bool(holds) for name, holds in reply["closed"].items()}

    def _write_input(self, parts: Sequence[bytes]) -> None:
        start = 0
        for part in parts:
            left = memoryview(part)
            while left:
                n = os.pwrite(self._input, left, start)
                left, start = left[n:], start + n

    def _send(self, request: Mapping[str, object]) -> None:
        body = json.dumps(request).encode()
        left = memoryview(_LENGTH.pack(len(body)) + body)
        while left:
            left = left[os.write(self._requests, left) :]

    def _receive(self, deadline: float) -> dict[str, Any]:
        """Read one reply; raises `TimeoutError`, `OSError` or `EOFError` when there is none, `_NonsenseError`."""
        received = self._read_more(deadline)
        while len(received) < _LENGTH.size:
            received += self._read_more(deadline)
        (length,) = _LENGTH.unpack_from(received)
        if length > MAX_REPLY:
            raise _NonsenseError(f"a reply of {length} bytes")
        while len(received) < _LENGTH.size + length:
            received += self._read_more(deadline)
        try:
            reply: object = json.loads(received[_LENGTH.size : _LENGTH.size + length])
        except (ValueError, RecursionError) as error:
            raise _NonsenseError("a reply that is not JSON") from error
        if isinstance(reply, dict):
            return reply
        raise _NonsenseError("a reply that is not an object")

    def _read_more(self, deadline: float) -> bytearray:
        if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1e3):
            raise TimeoutError
        piece = os.read(self._replies, _PIECE)
        if not piece:
            raise EOFError
        return bytearray(piece)

    def _decoded(self, reply: Mapping[str, Any]) -> Decoded:
        if os.fstat(self._input).st_size > _KEPT_INPUT:
            os.ftruncate(self._input, 0)
        if "late" in reply:
            log.warning(
                "a decoder could not load %s: a file may be read worse", _line(reply["late"])
            )
        if "failed" in reply:
            is_out_of_memory = reply["failed"] == "too_much_memory"
            detail = _line(reply.get("detail"))
            raise DecoderError("too_much_memory" if is_out_of_memory else "undecodable", detail)
        result, lengths = reply.get("result"), reply.get("lengths")
        if isinstance(result, dict) and isinstance(lengths, list):
            are_sizes = all(type(n) is int and n >= 0 for n in lengths)
            if are_sizes and sum(lengths) <= self.limits.output_bytes:
                return Decoded(result, self._parts(lengths))
        raise _NonsenseError("a reply without a result, or with impossible lengths")

    def _parts(self, lengths: Sequence[int]) -> list[bytes]:
        parts, start = [], 0
        for length in lengths:
            parts.append(os.pread(self._output, length, start))
            start += length
        return parts

    def _crashed(self) -> DecoderError:
        """Say how the child ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        self.close()
        how = "no reply" if code is None else f"signal {-code}" if code < 0 else f"exit {code}"
        return DecoderError("crashed", f"the decoder process died: {how}")


class _NonsenseError(Exception):
    """A reply that no honest child sends."""


def _line(text: object) -> str:
    r"""Make one printable line of a stranger's text.

    >>> _line("a\ud800\x1b[2J")
    'a?[2J'
    """
    plain = str(text).encode("ascii", "replace").decode("ascii")
    return "".join(c for c in plain if c.isprintable())[:200]


def _packages(module: str) -> dict[str, str]:
    """Say where the packages of a job module and of this room lie, as they are loaded here."""
    folders, name = dict(_HERE), module.partition(".")[0]
    for folder in sys.modules[name].__path__ if name in sys.modules else ():
        folders.setdefault(name, str(Path(folder).resolve()))
    return folders


def _shared_memory(size: int) -> int:
    """Open memory that a child gets as a file. With a size, nobody can make it longer or shorter (Linux)."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, size)
        return descriptor
    import fcntl

    descriptor = os.memfd_create("decoder", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    if size:
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor
