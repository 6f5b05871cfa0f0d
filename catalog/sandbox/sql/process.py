"""The server's side of the template process: start it, hand it jobs, hear of their end."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from catalog.errors import SandboxError
from catalog.sandbox.sql.copies import Copy
from catalog.sandbox.sql.jobs import ChildRequest
from catalog.sandbox.sql.template import DATAGRAM

_START = Path(__file__).with_name("start.py")
_ROOT = str(Path(__file__).resolve().parents[3])
START_TIMEOUT_S = 60.0
# The whole environment of the sandbox: threads of libraries would outlive the walls, HOME holds DuckDB's extensions.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "TZ": "UTC",
}


class TemplateProcess:
    """A running template. All methods belong to one event loop."""

    def __init__(self) -> None:
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._attached: asyncio.Future[Mapping[str, object]] | None = None
        self._numbers = 0
        self.copy: Copy | None = None
        self.alive = False
        self.nobody = False

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        """Say whether the copy that it reads was deleted by a takedown: it cannot attach another one then."""
        return self.alive and self.copy is not None and not self.copy.folder.exists()

    async def start(self, copy: Copy) -> None:
        """Start the process with a frozen copy attached; raises `SandboxError`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._channel = ours
        network = "network" if copy.remote else "none"
        command = [
            sys.executable,
            "-I",
            str(_START),
            _ROOT,
            str(theirs.fileno()),
            network,
            copy.place,
            *copy.readable,
        ]
        environment = _ENVIRONMENT | {k: os.environ[k] for k in ("HOME",) if k in os.environ}
        self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own command; takes milliseconds
            command,
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        self.alive = True
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear)
        await self.attach(copy)

    async def attach(self, copy: Copy) -> None:
        """Attach another frozen copy; children that run keep theirs. Raises `SandboxError`."""
        frozen = copy.frozen
        self._attached = asyncio.get_running_loop().create_future()
        self._send(
            {"do": "attach", "attach_sql": frozen.attach_sql, "extensions": frozen.extensions}
        )
        try:
            answer = await asyncio.wait_for(self._attached, START_TIMEOUT_S)
        except TimeoutError as error:
            self.close()
            raise SandboxError("the sandbox did not start in time") from error
        if "error" in answer:
            raise SandboxError(f"the sandbox cannot read the catalog: {answer['error']}")
        self.nobody = bool(answer.get("nobody"))
        self.copy = copy

    def fork(
        self, request: ChildRequest, descriptors: Sequence[int]
    ) -> tuple[int, "asyncio.Future[int]"]:
        """Start a job; the future gives the signal that ended it (0 without). `descriptors`: report, result, inputs."""
        self._numbers += 1
        number = self._numbers
        ended = self._ended[number] = asyncio.get_running_loop().create_future()
        with tempfile.TemporaryFile() as task:
            task.write(request.to_json())
            task.seek(0)
            self._send({"do": "fork", "number": number}, [task.fileno(), *descriptors])
        return number, ended

    def kill(self, number: int) -> None:
        """Kill a job."""
        if self.alive and not self._ended[number].done():
            self._send({"do": "kill", "number": number})

    def forget(self, number: int) -> None:
        """Let go of a job that has ended."""
        self._ended.pop(number, None)

    def close(self) -> None:
        """End the process and all of its children."""
        if self.alive:
            self.alive = False
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._channel.close()
            for future in self._ended.values():
                if not future.done():
                    future.set_result(-1)
            if self._attached is not None and not self._attached.done():
                self._attached.set_result({"error": "it ended"})

    def wait(self) -> None:
        """Wait for the end of the process after `close`, and kill it if it takes too long. Blocks."""
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: Mapping[str, object], files: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._channel, [json.dumps(message).encode()], files)
        except OSError as error:
            self.close()
            raise SandboxError(f"the sandbox has ended: {error}") from error

    def _hear(self) -> None:
        while self.alive:
            try:
                body = self._channel.recv(DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                body = b""
            if not body:
                self.close()
                return
            self._take(json.loads(body))

    def _take(self, message: Mapping[str, object]) -> None:
        if "ended" in message:
            future = self._ended.get(int(str(message["ended"])))
            if future is not None and not future.done():
                future.set_result(int(str(message["signal"])))
        elif self._attached is not None and not self._attached.done():
            self._attached.set_result(message)
