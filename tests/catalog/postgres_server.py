"""A PostgreSQL server of our own in a temporary folder, for tests that need one."""

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "p@ss/word-of-the-test"  # signs that must be quoted in an address
_QUOTED = "p%40ss%2Fword-of-the-test"


def why_not() -> str:
    """Say why a server cannot be started here, or nothing."""
    if not (BINARIES / "postgres").exists():
        return f"PostgreSQL 15 is not installed in {BINARIES}"
    return ""


@dataclass(frozen=True)
class PostgresServer:
    """A running server that asks for a password."""

    port: int
    folder: Path

    def new_database(self, like: str = "template1") -> str:
        """Make a database, a copy of another, and return its address."""
        name = f"d{uuid.uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {like}")
        return f"postgres://safelight:{_QUOTED}@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as the owner and return what psql prints."""
        address = f"postgres://safelight:{_QUOTED}@127.0.0.1:{self.port}/{database}"
        psql = [BINARIES / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement, address]
        return subprocess.run(psql, check=True, capture_output=True, text=True).stdout


@contextmanager
def postgres_server(folder: Path) -> Iterator[PostgresServer]:
    """Start a server below `folder`, and stop it in the end. It refuses to run as root, so it does not."""
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    folder.mkdir(parents=True)
    (folder / "password").write_text(PASSWORD)
    if user:
        shutil.chown(folder, "postgres", "postgres")
        shutil.chown(folder / "password", "postgres", "postgres")
    data = folder / "data"
    make = [BINARIES / "initdb", "--no-sync", "-A", "scram-sha-256", "-U", "safelight"]
    make += ["--pwfile", folder / "password", "-D", data, "-E", "UTF8", "--locale", "C"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, **user)
    port = _free_port()
    start = [BINARIES / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"]
    start += ["-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=80"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(start, stdout=log, stderr=log, cwd=folder, **user)
    try:
        _wait_for(port, server)
        yield PostgresServer(port, folder)
    finally:
        server.send_signal(signal.SIGINT)  # fast: does not wait for clients to leave
        server.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    ready = [BINARIES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the PostgreSQL server does not start")
        time.sleep(0.05)
