"""A real `safelight serve` in a process of its own, and a small client for it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    port: int
    pid: int
    home: Path
    log: Path

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; a body that is no bytes goes as JSON."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            lower = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lower, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def query(self, sql: str, **more: object) -> dict[str, Any]:
        """Run a statement to its end."""
        started = self.ask("POST", "/api/queries", {"sql": sql, **more})
        assert started.status == 201, started.body
        return dict(self.get(f"/api/queries/{started.json['query_id']}?wait_s=30").json)

    def rows(self, sql: str, **more: object) -> list[list[Any]]:
        """Run a statement and give its rows."""
        done = self.query(sql, **more)
        assert done["state"] == "done", done["error"]
        page = self.get(f"/api/queries/{done['query_id']}/rows")
        assert page.status == 200, page.body
        return list(page.json["rows"])

    @property
    def rss(self) -> int:
        """Resident memory of the server process, in bytes."""
        return psutil.Process(self.pid).memory_info().rss


@contextmanager
def serving(home: Path, *options: str, **settings: object) -> Iterator[Server]:
    """Serve a workspace with these settings of section [serve]; stopped as Ctrl+C does.

    Its log, one line a request, is a file beside the workspace.
    """
    environment = dict(os.environ) | {
        f"SAFELIGHT_SERVE_{name}".upper(): str(value) for name, value in settings.items()
    }
    log = home.with_name("serve.log")
    command = [sys.executable, "-m", "safelight", "-v", "--home", str(home), "serve", "--port", "0"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    port = re.search(r":(\d+)/", line)
    try:
        assert port, log.read_text()
        server = Server(int(port[1]), process.pid, home, log)
        assert server.get("/api/openapi.json").status in (200, 401)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
