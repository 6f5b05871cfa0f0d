"""A bucket of a real S3 server for tests, and workspaces that keep their files in it."""

import http.client
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from catalog import Workspace

KEYS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "a secret that nobody may see"}
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Bucket:
    """One bucket of the server on `port`."""

    port: int
    name: str

    def settings(self, prefix: str) -> str:
        """Write the section of safelight.toml."""
        url, endpoint = f"s3://{self.name}/{prefix}", f"http://127.0.0.1:{self.port}"
        return f'[storage]\nurl = "{url}"\nendpoint = "{endpoint}"\n'

    def fail(self, status: int, **how: object) -> None:
        """Let the server refuse requests: for `seconds`, or a `count` of them (see `tests.fakes.bucket_server`)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", f"/_fault?{urlencode({'status': status, **how})}")
        assert connection.getresponse().status == 200

    def keep(self, workspace: Workspace, prefix: str = "") -> Workspace:
        """Let a workspace keep its files here, below a prefix of its own unless one is given."""
        prefix = prefix or f"teams/{uuid.uuid4().hex[:8]}"
        (workspace.home / "safelight.toml").write_text(self.settings(prefix))
        return workspace


@contextmanager
def served_bucket() -> Iterator[Bucket]:
    """Start a server with one bucket; it ends with the block."""
    command = [sys.executable, "-m", "tests.fakes.bucket_server"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("PUT", "/pictures")
            assert connection.getresponse().status == 200
            yield Bucket(port, "pictures")
        finally:
            server.kill()


def environment() -> dict[str, str]:
    """Give the environment of a process that may use the bucket."""
    return {**os.environ, **KEYS}
