"""Hosts on 127.0.0.1 (one port each) that serve pictures with ETags, for tests of workers and recrawls."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Album:
    """One host: pictures by path (None: 410 Gone), redirects by path, and who asked for what."""

    def __init__(self, pictures: Mapping[str, bytes | None]) -> None:
        self.pictures = dict(pictures)
        self.redirects: dict[str, str] = {}
        self.slowness_s = 0.0
        self.asked: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.url = ""

    def answer(self, path: str, known: str | None) -> tuple[int, dict[str, str], bytes]:
        """Answer one request; `known` is its If-None-Match."""
        self.asked[path] += 1
        if path in self.redirects:
            return 302, {"Location": self.redirects[path]}, b""
        if path not in self.pictures:
            return 404, {}, b""
        body = self.pictures[path]
        if body is None:
            return 410, {}, b""
        time.sleep(self.slowness_s)
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if known == etag:
            return 304, {"ETag": etag}, b""
        return 200, {"ETag": etag, "Content-Type": "image/jpeg"}, body


@contextmanager
def serve(*albums: Album) -> Iterator[None]:
    """Serve each album on a port of its own."""
    servers = [_server(album) for album in albums]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def _server(album: Album) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = album.answer(self.path, self.headers.get("If-None-Match"))
            album.statuses[status] += 1
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    album.url = f"http://127.0.0.1:{server.server_address[1]}"
    return server
