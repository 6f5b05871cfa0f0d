"""A PostgreSQL server of our own in a temporary folder, for tests that need one."""

import os
import shutil
import socket
import subprocess
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

    def end_connections(self, address: str) -> int:
        """End every connection to the database at `address`, as an administrator may; return how many there were."""
        name = address.rsplit("/", maxsplit=1)[1]
        found = self.sql(
            f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        return int(found)

    def stop(self) -> None:
        """Stop the server at once, whoever is connected."""
        self._control("stop", "-m", "fast")

    def start(self) -> None:
        """Start the server again."""
        options = [str(option) for option in _options(self.folder, self.port)]
        self._control("start", "-l", self.folder / "log", "-o", " ".join(options))

    def _control(self, *arguments: object) -> None:
        command = [
            BINARIES / "pg_ctl",
            "-s",
            "-w",
            "-D",
            self.folder / "data",
            *map(str, arguments),
        ]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **_user())


def _user() -> dict[str, str]:
    """Give the user that the server runs as: it refuses to run as root."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


def _options(folder: Path, port: int) -> list[object]:
    quick = ["-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=80"]
    return ["-p", port, "-k", folder, "-h", "127.0.0.1", *quick]


@contextmanager
def postgres_server(folder: Path) -> Iterator[PostgresServer]:
    """Start a server below `folder`, and stop it in the end."""
    folder.mkdir(parents=True)
    (folder / "password").write_text(PASSWORD)
    if _user():
        shutil.chown(folder, "postgres", "postgres")
        shutil.chown(folder / "password", "postgres", "postgres")
    data = folder / "data"
    make = [BINARIES / "initdb", "--no-sync", "-A", "scram-sha-256", "-U", "safelight"]
    make += ["--pwfile", folder / "password", "-D", data, "-E", "UTF8", "--locale", "C"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, **_user())
    server = PostgresServer(_free_port(), folder)
    server.start()
    try:
        yield server
    finally:
        if (data / "postmaster.pid").exists():
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
