"""`safelight serve`."""

import socket
import sys

import click

from catalog.errors import UsageError
from catalog.workspace.options import examples, workspace_option
from catalog.workspace.workspace import Workspace


@click.command(epilog=examples("serve", "serve --port 9000 --home ~/safelight-photos"))
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port (default: 8360; 0 takes a free one)."
)
@workspace_option
def serve(workspace: Workspace, host: str | None, port: int | None) -> None:
    """Serve the console, the query API, predictions and the releases of a workspace."""
    from dataclasses import replace

    from aiohttp import web

    from catalog.lake.lake import open_catalog
    from catalog.web.app import AccessLog, make_app
    from catalog.web.http.credentials import load_credentials
    from catalog.web.http.settings import ServeSettings
    from catalog.web.models.model_library import model_library_opener
    from catalog.web.predictions.predictor import predictor_opener
    from catalog.web.similarity.searcher import searcher_opener
    from catalog.workspace.settings import load_settings

    settings = load_settings(ServeSettings, "serve", workspace)
    settings = replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
    )
    load_credentials(settings)  # an error here comes before any file is written
    server_socket = _listen(settings.host, settings.port)
    workspace.make()
    open_catalog(workspace).close()  # creates the tables of a new workspace
    app = make_app(
        workspace, settings, predictor_opener(), searcher_opener(), model_library_opener()
    )
    host_name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host_name}:{server_socket.getsockname()[1]}/"

    async def print_address(_app: web.Application) -> None:
        click.echo(f"Safelight at {address} (Ctrl+C ends it)")
        sys.stdout.flush()

    app.on_startup.append(print_address)  # the last start-up step, so the server is ready
    web.run_app(
        app,
        sock=server_socket,
        print=None,
        access_log_class=AccessLog,
        keepalive_timeout=30,  # applies to idle connections too
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from error
