"""The web application: its routes, its shared objects and its background tasks."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from catalog.sandbox import MB, Limits, QueryPool
from catalog.web.access import login
from catalog.web.access.security import add_headers, authenticate, check_host, check_origin
from catalog.web.api import (
    labels,
    models,
    operations,
    pages,
    pictures,
    predict,
    queries,
    releases,
    review,
    saved_questions,
    selection,
    similar,
    tables,
)
from catalog.web.http.app_keys import (
    AUDIT_LOG,
    CREDENTIALS,
    LABEL_SESSION,
    MODELS,
    PICTURE_LOCATIONS,
    POOL,
    PREDICTIONS,
    QUERIES,
    REVIEW_SESSION,
    SETTINGS,
    SIGN_IN_LIMIT,
    SIMILARITY,
    WORKSPACE,
)
from catalog.web.http.credentials import load_credentials
from catalog.web.http.errors import errors_as_json
from catalog.web.http.settings import ServeSettings
from catalog.web.http.sign_in_limit import SignInLimit
from catalog.web.labelling.label_session import LabelSession
from catalog.web.models.model_library import OpenModels
from catalog.web.models.service import ModelService
from catalog.web.predictions.predictor import OpenPredictor
from catalog.web.predictions.service import PredictionService
from catalog.web.review.review_session import ReviewSession
from catalog.web.sections.picture_locations import PictureLocations
from catalog.web.similarity.searcher import OpenSearcher
from catalog.web.similarity.service import SimilarityService
from catalog.web.statements.audit_log import AuditLog
from catalog.web.statements.query_registry import QueryRegistry
from catalog.workspace.workspace import Workspace

__all__ = ["AccessLog", "ServeSettings", "make_app"]

log = logging.getLogger(__name__)

MAX_BODY = 2**20
"""Bytes of a request body: a statement and its parameters."""
_HANDLERS = (
    login,
    queries,
    tables,
    saved_questions,
    pictures,
    predict,
    operations,
    review,
    labels,
    models,
    similar,
    selection,
    pages,
    releases,
)
_AUDIT_CHECK_S = 5.0
_REVIEW_CHECK_S = 1.0


def make_app(
    workspace: Workspace,
    settings: ServeSettings,
    open_predictor: OpenPredictor | None = None,
    open_searcher: OpenSearcher | None = None,
    open_models: OpenModels | None = None,
) -> web.Application:
    """Make the application of one workspace.

    Without `open_predictor` it predicts nothing, without `open_searcher` it compares no pictures, without
    `open_models` it shows no models.

    Raises `UsageError` when others could reach it without a token.
    """
    app = web.Application(
        middlewares=[pages.errors_as_pages, errors_as_json, check_host, check_origin, authenticate],
        client_max_size=MAX_BODY,
    )
    app[WORKSPACE], app[SETTINGS] = workspace, settings
    app[CREDENTIALS] = load_credentials(settings)
    app[SIGN_IN_LIMIT] = SignInLimit()
    app[REVIEW_SESSION] = ReviewSession(workspace)
    app[LABEL_SESSION] = LabelSession(workspace)
    app[PREDICTIONS] = PredictionService(
        workspace,
        open_predictor,
        max_at_work=settings.max_predictions,
        timeout_s=settings.prediction_timeout_s,
    )
    app[MODELS] = ModelService(workspace, open_models)
    app[SIMILARITY] = SimilarityService(
        workspace,
        open_searcher,
        max_at_work=settings.max_predictions,
        timeout_s=settings.prediction_timeout_s,
    )
    for module in _HANDLERS:
        app.add_routes(module.routes)
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(_run_queries)
    app.cleanup_ctx.append(_run_review)
    app.on_cleanup.append(_close_services)
    return app


async def _run_queries(app: web.Application) -> AsyncIterator[None]:
    """Start the sandbox with the server; at the end stop running statements and flush the audit log."""
    settings, workspace = app[SETTINGS], app[WORKSPACE]
    limits = Limits(
        timeout_s=settings.timeout_s,
        max_rows=settings.max_rows,
        max_bytes=settings.max_result_mb * MB,
        memory_mb=settings.memory_mb,
        threads=settings.threads,
    )
    app[AUDIT_LOG] = AuditLog(workspace)
    app[PICTURE_LOCATIONS] = PictureLocations(workspace)
    app[POOL] = QueryPool(
        workspace, limits, max_running=settings.max_running, max_waiting=settings.max_waiting
    )
    await app[POOL].start()
    if still_open := [name for name, closed in app[POOL].closed.items() if not closed]:
        log.warning("this system leaves the sandbox open: not %s", ", not ".join(still_open))
    app[QUERIES] = QueryRegistry(
        workspace,
        app[POOL],
        app[AUDIT_LOG],
        max_bytes=settings.results_mb * MB,
        max_age_s=settings.result_age_s,
    )
    flushing = asyncio.create_task(_flush_audit_log(app[AUDIT_LOG]))
    yield
    flushing.cancel()
    with suppress(asyncio.CancelledError):
        await flushing
    await app[QUERIES].close()
    await app[POOL].close()
    await asyncio.to_thread(app[AUDIT_LOG].flush)


async def _flush_audit_log(audit_log: AuditLog) -> None:
    """Flush the audit log whenever it is due."""
    is_due = True  # a killed server may have left lines
    while True:
        if is_due:
            try:
                await asyncio.to_thread(audit_log.flush)
            except Exception:  # the lines stay in the file for the next flush, so the loop goes on
                log.exception("the audit log cannot be flushed")
        await asyncio.sleep(_AUDIT_CHECK_S)
        is_due = audit_log.is_due()


async def _run_review(app: web.Application) -> AsyncIterator[None]:
    """Commit decisions and labels in batches while the server runs, and the waiting ones at its end."""
    committing = asyncio.create_task(_commit_decisions(app[REVIEW_SESSION], app[LABEL_SESSION]))
    yield
    committing.cancel()
    with suppress(asyncio.CancelledError):
        await committing
    await asyncio.to_thread(app[REVIEW_SESSION].close)
    await asyncio.to_thread(app[LABEL_SESSION].close)


async def _close_services(app: web.Application) -> None:
    await app[PREDICTIONS].close()
    await app[MODELS].close()
    await app[SIMILARITY].close()


async def _commit_decisions(session: ReviewSession, labels: LabelSession) -> None:
    while True:
        await asyncio.sleep(_REVIEW_CHECK_S)
        try:
            if session.is_due():
                await asyncio.to_thread(session.commit)
            await asyncio.to_thread(session.close_if_idle)
            if labels.is_due():
                await asyncio.to_thread(labels.commit)
        except (
            Exception
        ):  # the decisions stay in the spool for the next commit, so the loop goes on
            log.exception("decisions or labels cannot be committed")


class AccessLog(AbstractAccessLogger):
    """One line per request, without the query string: statements and tokens do not belong in a log."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line."""
        self.logger.info(
            "%s %s %s %d %.0f ms",
            request.remote,
            request.method,
            request.rel_url.raw_path,  # still escaped, so a caller cannot add lines to the log
            response.status,
            time * 1e3,
        )
