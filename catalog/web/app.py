"""Put the web application together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from catalog.sandbox import MB, Limits, QueryPool
from catalog.web.access import login
from catalog.web.access.security import add_headers, known_caller, known_host, own_pages_only
from catalog.web.api import pages, pictures, queries, releases, review, saved_questions, tables
from catalog.web.http.errors import errors_as_json
from catalog.web.http.keys import (
    AUDIT,
    DESK,
    DOORS,
    PLACES,
    POOL,
    QUERIES,
    SETTINGS,
    SIGN_INS,
    WORKSPACE,
)
from catalog.web.http.settings import ServeSettings
from catalog.web.http.sign_in_limit import SignInLimit
from catalog.web.http.tokens import load_doors
from catalog.web.review.review_session import Desk
from catalog.web.sections.picture_locations import Places
from catalog.web.statements.audit import Audit
from catalog.web.statements.query_registry import Queries
from catalog.workspace.workspace import Workspace

__all__ = ["AccessLog", "ServeSettings", "make_app"]

log = logging.getLogger(__name__)

MAX_BODY = 2**20
"""Bytes of a request body: a statement and its parameters."""
_ROUTES = (login, queries, tables, saved_questions, pictures, review, pages, releases)
_LOOK_EVERY_S = 5.0
_COMMIT_EVERY_S = 1.0


def make_app(
    workspace: Workspace,
    settings: ServeSettings,
    mounts: Mapping[str, web.Application] | None = None,
) -> web.Application:
    """Make the application of one workspace; `mounts` are applications of other rooms by path.

    Raises `UsageError` when it would be open to others without a token.
    """
    app = web.Application(
        middlewares=[errors_as_json, known_host, own_pages_only, known_caller],
        client_max_size=MAX_BODY,
    )
    app[WORKSPACE], app[SETTINGS] = workspace, settings
    app[DOORS] = load_doors(settings)
    app[SIGN_INS] = SignInLimit()
    app[DESK] = Desk(workspace)
    for module in _ROUTES:
        app.add_routes(module.routes)
    for path, part in (mounts or {}).items():
        app.add_subapp(path, part)
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(_run_queries)
    app.cleanup_ctx.append(_keep_desk)
    return app


async def _run_queries(app: web.Application) -> AsyncIterator[None]:
    """Start the sandbox with the server; at the end stop what runs and hand the audit over."""
    settings, workspace = app[SETTINGS], app[WORKSPACE]
    limits = Limits(
        timeout_s=settings.timeout_s,
        max_rows=settings.max_rows,
        max_bytes=settings.max_result_mb * MB,
        memory_mb=settings.memory_mb,
        threads=settings.threads,
    )
    app[AUDIT] = Audit(workspace)
    app[PLACES] = Places(workspace)
    app[POOL] = QueryPool(
        workspace, limits, max_running=settings.max_running, max_waiting=settings.max_waiting
    )
    await app[POOL].start()
    if still_open := [name for name, closed in app[POOL].closed.items() if not closed]:
        log.warning("this system leaves the sandbox open: not %s", ", not ".join(still_open))
    app[QUERIES] = Queries(
        workspace,
        app[POOL],
        app[AUDIT],
        max_bytes=settings.results_mb * MB,
        max_age_s=settings.result_age_s,
    )
    handing = asyncio.create_task(_hand_over(app[AUDIT]))
    yield
    handing.cancel()
    with suppress(asyncio.CancelledError):
        await handing
    await app[QUERIES].close()
    await app[POOL].close()
    await asyncio.to_thread(app[AUDIT].hand_over)


async def _hand_over(audit: Audit) -> None:
    """Turn the audit's lines into segments now and then."""
    is_due = True  # a killed server may have left some
    while True:
        if is_due:
            try:
                await asyncio.to_thread(audit.hand_over)
            except (
                Exception
            ):  # the lines stay in the file for the next time, which comes only if this goes on
                log.exception("the audit trail cannot be handed over")
        await asyncio.sleep(_LOOK_EVERY_S)
        is_due = audit.is_due()


async def _keep_desk(app: web.Application) -> AsyncIterator[None]:
    """Commit what people decide, a few seconds later and many at once; what waits at the end, too."""
    keeping = asyncio.create_task(_commit_decisions(app[DESK]))
    yield
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    await asyncio.to_thread(app[DESK].close)


async def _commit_decisions(desk: Desk) -> None:
    while True:
        await asyncio.sleep(_COMMIT_EVERY_S)
        try:
            if desk.is_due():
                await asyncio.to_thread(desk.commit)
            await asyncio.to_thread(desk.rest)
        except (
            Exception
        ):  # the decisions stay in the spool for the next commit, which comes only if this goes on
            log.exception("decisions cannot be committed")


class AccessLog(AbstractAccessLogger):
    """One line a request, without the query string: statements and tokens do not belong into logs."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line."""
        self.logger.info(
            "%s %s %s %d %.0f ms",
            request.remote,
            request.method,
            request.rel_url.raw_path,  # with its escapes: no line breaks of strangers
            response.status,
            time * 1e3,
        )
