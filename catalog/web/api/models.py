"""Pages and JSON about the models of a workspace: the list with leaderboards, one model, two side by side.

The text of model folders is shown as text only. A training report is HTML of its own: it is sent as a sandboxed
document that may load nothing and run no script.
"""

import msgspec
from aiohttp import web

from catalog.errors import ModelsNotComparableError, SafelightError
from catalog.web.api.pages import for_people, read_catalog, render_card, show_page
from catalog.web.http.app_keys import MODELS
from catalog.web.models.model_library import ModelList, ModelPage, ModelSummary, ReportPage
from catalog.web.sections.datasets import read_revoked

routes = web.RouteTableDef()

SHOWN_METRICS = 400
"""Rows of metrics of slices on a page; the API has all of them."""
_NO_STORE = {"Cache-Control": "no-store"}
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_WITHHELD = (
    "This report may show pictures that were taken down or are blocked, or that this catalog does not hold, so it is "
    "not shown here."
)


@routes.get("/models")
@for_people
async def model_list(request: web.Request) -> web.Response:
    """List the models and their leaderboards."""
    try:
        listed, missing = await request.app[MODELS].models(), ""
    except SafelightError as error:  # a part that is not installed
        listed, missing = ModelList((), ()), str(error)
    revoked = await read_catalog(request, read_revoked)
    return show_page("models.html", here="models", listed=listed, missing=missing, revoked=revoked)


@routes.get("/models/{model_id}")
@for_people
async def model_page(request: web.Request) -> web.Response:
    """Show one model."""
    content = await _model(request)
    revoked = await read_catalog(request, read_revoked)
    others = _comparable(content.summary, await request.app[MODELS].models())
    whole = [row for row in content.metrics if row.slice == "all"]
    slices = [row for row in content.metrics if row.slice != "all"]
    return show_page(
        "model.html",
        here="models",
        model=content,
        others=others,
        revocation=revoked.get((content.summary.dataset, content.summary.version)),
        card=render_card(content.card),
        whole=whole,
        slices=slices[:SHOWN_METRICS],
        more_slices=max(0, len(slices) - SHOWN_METRICS),
    )


@routes.get("/models/{model_id}/compare")
async def choose_comparison(request: web.Request) -> web.Response:
    """Go to the comparison with the model that the form names."""
    first, other = request.match_info["model_id"], request.query.get("other", "")
    raise web.HTTPSeeOther(request.rel_url.with_path(f"/models/{first}/compare/{other}"))


@routes.get("/models/{model_id}/compare/{other}")
@for_people
async def comparison_page(request: web.Request) -> web.Response:
    """Show two models side by side, or say why they are not compared."""
    path = request.match_info
    try:
        content = await request.app[MODELS].compare(path["model_id"], path["other"])
    except ModelsNotComparableError as error:
        return show_page(
            "comparison.html",
            status=409,
            here="models",
            compared=None,
            names=(path["model_id"], path["other"]),
            problem=str(error),
        )
    return show_page("comparison.html", here="models", compared=content)


@routes.get("/models/{model_id}/report")
@for_people
async def report(request: web.Request) -> web.Response:
    """Send the training report of a model, unless it may show a picture that must not be seen."""
    return await _report_page(request, "report")


@routes.get("/models/{model_id}/panel.html")
@for_people
async def panel(request: web.Request) -> web.Response:
    """Send the panel of pictures that the training report leads to, on the same terms."""
    return await _report_page(request, "panel")


async def _report_page(request: web.Request, page: ReportPage) -> web.Response:
    summary = (await _model(request)).summary
    if not summary.run_id:
        raise web.HTTPNotFound(text="this model has no training report")
    body = await request.app[MODELS].report(summary, page)
    if body is None:
        raise web.HTTPGone(text=_WITHHELD)
    headers = _NO_STORE | {"Content-Security-Policy": _REPORT_POLICY}
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


@routes.get("/api/models")
async def get_models(request: web.Request) -> web.Response:
    """Return the models and their leaderboards."""
    return _json(await request.app[MODELS].models())


@routes.get("/api/models/{model_id}")
async def get_model(request: web.Request) -> web.Response:
    """Return one model."""
    return _json(await _model(request))


@routes.get("/api/models/{model_id}/compare/{other}")
async def get_comparison(request: web.Request) -> web.Response:
    """Return two models side by side."""
    path = request.match_info
    return _json(await request.app[MODELS].compare(path["model_id"], path["other"]))


async def _model(request: web.Request) -> ModelPage:
    return await request.app[MODELS].model(request.match_info["model_id"])


def _comparable(model: ModelSummary, listed: ModelList) -> list[ModelSummary]:
    """List the other finished models of equal data that predict something in common."""
    tasks = {figure.task for figure in model.heads}
    return [
        other
        for other in listed.models
        if other.state == "finished"
        and other.model_id != model.model_id
        and (other.dataset, other.version, other.dataset_digest)
        == (model.dataset, model.version, model.dataset_digest)
        and any(figure.task in tasks for figure in other.heads)
    ]


def _json(content: object) -> web.Response:
    body = msgspec.json.encode(content)
    return web.Response(body=body, content_type="application/json", headers=_NO_STORE)
