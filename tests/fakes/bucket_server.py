"""An S3 server on 127.0.0.1 (moto's), in memory: `python -m tests.fakes.bucket_server` prints its port.

`POST /_fault?status=403&seconds=4` lets it refuse everything for a while with that status and no word of S3, as a proxy
before it does; `count=1` lets it refuse so many requests, `after=7` not the first ones, `method=PUT` and
`part=lake/data` only those like this.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Faulty:
    """An application that fails as told."""

    def __init__(self, within: Application) -> None:
        self._within = within
        self._told: dict[str, str] = {}
        self._until, self._left, self._passing = 0.0, 0, 0

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_fault":
            self._told = {key: said[0] for key, said in parse_qs(environ["QUERY_STRING"]).items()}
            self._until = time.monotonic() + float(self._told.get("seconds", 0))
            self._left = int(self._told.get("count", 0))
            self._passing = int(self._told.get("after", 0))
            status = "200 OK"
        elif self._refuses(environ):
            status = f"{self._told['status']} fault"
        else:
            return self._within(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]

    def _refuses(self, environ: dict[str, Any]) -> bool:
        is_like = environ["REQUEST_METHOD"] in self._told.get("method", environ["REQUEST_METHOD"])
        is_like &= self._told.get("part", "") in f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        if is_like and self._passing > 0:
            self._passing -= 1
            return False
        if is_like and self._left > 0:
            self._left -= 1
            return True
        return is_like and time.monotonic() < self._until


if __name__ == "__main__":
    server = make_server(
        "127.0.0.1", 0, Faulty(DomainDispatcherApplication(create_backend_app)), threaded=True
    )
    print(server.server_port, flush=True)  # noqa: T201 - the test reads it
    server.serve_forever()
