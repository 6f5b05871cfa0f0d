"""HTTP handlers of predictions: list the models, predict one picture or several, say what of a picture counted.

Nothing of a picture is stored or logged. A request names a model by its id; it holds no path and no address.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from aiohttp import BodyPartReader, MultipartReader, web

from catalog.errors import PictureRefusedError, SafelightError
from catalog.lake.lake import open_catalog
from catalog.web.http.app_keys import PREDICTIONS, WORKSPACE
from catalog.web.http.errors import problem, status_of
from catalog.web.http.request_parsing import BadRequestError, parse_query
from catalog.web.http.uploads import read_picture, read_pieces, wait_within_time
from catalog.web.openapi.request_types import ExplainQuery, PredictQuery
from catalog.web.predictions.metrics import ANSWERED
from catalog.web.sections.uploaded import sample_pictures
from catalog.web.statements.query_registry import kind_of
from catalog.workspace.workspace import Workspace

routes = web.RouteTableDef()

MOST_FILES = 100
"""Pictures of one batch."""
SAMPLES = 8
_NO_STORE = {"Cache-Control": "no-store"}
_NDJSON = "application/x-ndjson"


@routes.get("/api/v1/models")
async def models(request: web.Request) -> web.Response:
    """List the models that predict pictures, the newest first."""
    listed = await request.app[PREDICTIONS].models()
    return _json({"models": listed})


@routes.get("/api/v1/samples")
async def samples(request: web.Request) -> web.Response:
    """Name a few test pictures of the release that a model was trained on."""
    wanted = parse_query(request, PredictQuery).model
    listed = await request.app[PREDICTIONS].models()
    chosen = [model for model in listed if model.model_id.startswith(wanted)][:1]
    shas: list[str] = []
    for model in chosen:
        shas = await asyncio.to_thread(
            _read_samples, request.app[WORKSPACE], model.dataset, model.version
        )
    return _json({"pictures": shas})


@routes.post("/api/v1/predict")
async def predict(request: web.Request) -> web.Response:
    """Predict one picture."""
    model_id = parse_query(request, PredictQuery).model

    async def answer() -> object:
        picture = await _arrived(request)
        return await request.app[PREDICTIONS].predict(model_id, picture)

    return await _counted(request, "picture", answer)


@routes.post("/api/v1/explain")
async def explain(request: web.Request) -> web.Response:
    """Say what of a picture counted for one answer."""
    query = parse_query(request, ExplainQuery)

    async def answer() -> object:
        picture = await _arrived(request)
        service = request.app[PREDICTIONS]
        return await service.explain(query.model, picture, query.task, query.face)

    return await _counted(request, "heat_map", answer)


@routes.post("/api/v1/predict/batch")
async def predict_batch(request: web.Request) -> web.StreamResponse:
    """Predict the files of a form one after the other; each answer is a line of JSON, in their order."""
    model_id = parse_query(request, PredictQuery).model
    if request.content_type != "multipart/form-data":
        raise BadRequestError("send the pictures as files of a form: multipart/form-data")
    await request.app[PREDICTIONS].models()  # a server that predicts nothing says so before the 200
    response = web.StreamResponse(headers=_NO_STORE | {"Content-Type": _NDJSON})
    await response.prepare(request)
    # Lines are written by a task of their own: a client that reads only after it has sent everything must not stop us.
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    writing = asyncio.create_task(_write_lines(response, lines))
    try:
        async for line in _batch_lines(request, model_id):
            lines.put_nowait(msgspec.json.encode(line) + b"\n")
    finally:
        lines.put_nowait(b"")
        await writing
    await response.write_eof()
    return response


async def _write_lines(response: web.StreamResponse, lines: asyncio.Queue[bytes]) -> None:
    while line := await lines.get():
        await response.write(line)


async def _batch_lines(request: web.Request, model_id: str) -> AsyncIterator[dict[str, object]]:
    """Predict each file of the form; the last line may be an error without a name, after which nothing is read."""
    number = 0
    try:
        reader = await request.multipart()
        while (part := await wait_within_time(request, reader.next())) is not None:
            number += 1
            if isinstance(part, MultipartReader) or number > MOST_FILES:
                raise BadRequestError(f"a batch is a form of at most {MOST_FILES} files")
            yield {
                "name": part.filename or part.name or "",
                **await _of_part(request, model_id, part),
            }
    except (web.HTTPRequestTimeout, SafelightError, ValueError) as error:
        yield {"error": str(error) or "the form is cut off", "kind": "bad_request", "status": 400}


async def _of_part(request: web.Request, model_id: str, part: BodyPartReader) -> dict[str, object]:
    """Return the answer about one file of a form, or its error with the status that it would have alone."""
    service, started = request.app[PREDICTIONS], time.monotonic()
    try:
        picture = await read_pieces(request, _pieces(part))
        started = time.monotonic()
        prediction = await service.predict_in_turn(model_id, picture)
    except SafelightError as error:
        await wait_within_time(request, part.release())
        service.metrics.count("batch", _outcome(error))
        return {"error": str(error), "kind": _outcome(error), "status": status_of(error)}
    service.metrics.count("batch", ANSWERED, time.monotonic() - started)
    return {"prediction": prediction}


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk():
        yield piece


async def _counted(
    request: web.Request, kind: str, answer: Callable[[], Awaitable[object]]
) -> web.Response:
    """Send the answer; count how the request ended."""
    metrics, started = request.app[PREDICTIONS].metrics, time.monotonic()
    try:
        content = await answer()
    except PictureRefusedError as error:
        metrics.count(kind, error.kind)
        return problem(error.http_status, error.kind, str(error))
    except SafelightError as error:
        metrics.count(kind, _outcome(error))
        raise
    metrics.count(kind, ANSWERED, time.monotonic() - started)
    return _json(content)


def _outcome(error: SafelightError) -> str:
    return error.kind if isinstance(error, PictureRefusedError) else kind_of(error)


def _read_samples(workspace: Workspace, dataset: str, version: str) -> list[str]:
    with open_catalog(workspace) as catalog:
        return sample_pictures(catalog, dataset, version, SAMPLES)


async def _arrived(request: web.Request) -> bytes:
    """Read the body of a request with one picture, as one of the uploads that may arrive at once."""
    with request.app[PREDICTIONS].arriving():
        return await read_picture(request)


def _json(content: object) -> web.Response:
    body = msgspec.json.encode(content)
    return web.Response(body=body, content_type="application/json", headers=_NO_STORE)
