"""The template: a process with libraries, extensions and the frozen catalog loaded, which forks a child for each job.

Starting Python, DuckDB and its extensions costs a second; a fork of them costs milliseconds. So every statement has a
fresh process of its own, and killing it is always right: nothing is lost with it. The template runs no statement of
a stranger. Spoken to by datagrams of JSON over a Unix socket; open files travel with them.

    {"do": "attach", "attach_sql": ..., "extensions": [...]}    -> {"attached": true} or {"error": ...}
    {"do": "fork", "number": n} + files [job, report, result, inputs ...]
                                                                -> later {"ended": n, "signal": ...}
    {"do": "kill", "number": n}
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import tempfile
from typing import Any

import duckdb

from catalog.errors import SandboxError
from catalog.sandbox.results.formats import Sink, open_result, values, write_parquet
from catalog.sandbox.sql import child
from catalog.sandbox.sql.allowed import allowed_by, with_relations
from catalog.sandbox.sql.jobs import ChildRequest, QueryJob
from catalog.sandbox.sql.thumbnails import load_decoders
from catalog.stores.engine import load_extensions
from catalog.workspace.error_lines import first_paragraph

DATAGRAM = 2**16
MAX_FILES = 8
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "allow_unsigned_extensions": True,  # until they are loaded
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
    "secret_directory": "/nonexistent",
    "allow_persistent_secrets": False,
}


def serve(descriptor: int, *, nobody: bool) -> None:
    """Do what the socket asks until its other end is closed; then kill what still runs."""
    channel = socket.socket(fileno=descriptor)
    template = Template(channel, nobody=nobody)
    gc.freeze()  # a child's collector would copy pages just by looking at what is shared
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl+C is for the server, which then closes the socket
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([channel.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, DATAGRAM)
        template.reap()
        if channel.fileno() in ready and not template.answer():
            break
    template.kill_all()


class Template:
    """The loaded libraries, and the children that run."""

    def __init__(self, channel: socket.socket, *, nobody: bool) -> None:
        self._channel = channel
        self._nobody = nobody
        self._children: dict[int, int] = {}
        self._loaded = False
        self._lake, self._plain = (duckdb.connect(config=_CONFIG) for _ in range(2))
        for connection in (self._lake, self._plain):
            connection.execute("SET TimeZone = 'UTC'")
        warm_up(self._plain)
        self._allowed = allowed_by(self._plain)

    def answer(self) -> bool:
        """Take one message and do what it says; False when the server is gone."""
        body, files, _, _ = socket.recv_fds(self._channel, DATAGRAM, MAX_FILES)
        if not body:
            return False
        message = json.loads(body)
        if message["do"] == "attach":
            self._say(self._attach(message))
        elif message["do"] == "fork":
            self._fork(int(message["number"]), files)
        elif message["do"] == "kill":
            self._kill(int(message["number"]))
        for file in files:
            os.close(file)
        return True

    def reap(self) -> None:
        """Tell of children that have ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._children.pop(pid)
            self._say(
                {"ended": number, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}
            )

    def kill_all(self) -> None:
        """Kill what still runs."""
        for number in list(self._children.values()):
            self._kill(number)

    def _attach(self, message: dict[str, Any]) -> dict[str, object]:
        try:
            if not self._loaded:
                load_extensions(self._lake, message["extensions"])
                self._allowed = allowed_by(self._lake)
                os.environ.pop("HOME", None)  # extensions are loaded: nobody needs it any more
                self._loaded = True
            self._lake.execute("USE memory")
            self._lake.execute("DETACH DATABASE IF EXISTS lake")
            self._lake.execute(message["attach_sql"])
            # What DuckLake reads for its first statement, every child has then.
            self._lake.execute("SELECT count(*) FROM photos").fetchall()
            self._lake.execute("SELECT count(*) FROM v_photos WHERE false").fetchall()
            self._allowed = with_relations(self._allowed, self._lake)
        except duckdb.Error as error:
            return {"error": first_paragraph(error)}
        return {"attached": True, "nobody": self._nobody}

    def _fork(self, number: int, files: list[int]) -> None:
        pid = os.fork()
        if pid:
            self._children[pid] = number
            return
        try:
            self._be_child(files)
        finally:
            child.end()

    def _be_child(self, files: list[int]) -> None:
        os.setsid()
        signal.set_wakeup_fd(-1)
        self._channel.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        task, report, *rest = files
        with open(task, "rb") as text:  # noqa: PTH123 - an open file
            outcome = self._do(text.read(), rest)
        child.finish(outcome, report)

    def _do(self, text: bytes, files: list[int]) -> dict[str, object]:
        try:
            request = ChildRequest.from_json(text)
        except SandboxError as error:
            return {"error": str(error), "kind": "failed"}
        connection = self._lake if isinstance(request.job, QueryJob) else self._plain
        return child.run(request, connection, files, self._allowed, nobody=self._nobody)

    def _kill(self, number: int) -> None:
        for pid, each in self._children.items():
            if each == number:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _say(self, message: dict[str, object]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(json.dumps(message).encode())


def warm_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Use every library once: a child can open no file, so what is imported late is not imported at all."""
    import pyarrow as pa

    load_decoders()
    connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
    with tempfile.TemporaryFile() as file:
        sink = Sink(file.fileno())
        reader = connection.sql(
            "SELECT 1 AS a, now() AS b, [1] AS c, 1.5::DECIMAL(9,1) AS d"
        ).to_arrow_reader()
        with pa.ipc.new_file(pa.PythonFile(sink, "w"), reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        sink.flush()
        result = open_result(file.fileno())
        connection.register("warm", result.read_all())
        values(connection, "warm")
        connection.sql("SUMMARIZE warm").to_arrow_table()
        connection.unregister("warm")
        write_parquet(result, sink)
        sink.close()
