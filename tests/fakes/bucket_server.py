"""An S3 server on 127.0.0.1 (moto's), in memory: `python -m tests.fakes.bucket_server` prints its port."""

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

if __name__ == "__main__":
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True
    )
    print(server.server_port, flush=True)  # noqa: T201 - the test reads it
    server.serve_forever()
