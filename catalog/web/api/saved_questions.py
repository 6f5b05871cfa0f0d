"""HTTP handlers of saved questions."""

import asyncio
from dataclasses import asdict

from aiohttp import web

from catalog.lake.saved import delete_question, questions, save_question
from catalog.tables.questions import QUESTIONS, Question
from catalog.web.http.app_keys import WORKSPACE
from catalog.web.http.request_parsing import parse_body
from catalog.web.openapi.request_types import NewQuestion

routes = web.RouteTableDef()


@routes.get("/api/questions")
async def list_questions(request: web.Request) -> web.Response:
    """List the questions that Safelight ships, and those that people saved in this workspace."""
    by_name = await asyncio.to_thread(questions, request.app[WORKSPACE])
    return web.json_response([_description(question) for question in by_name.values()])


@routes.put("/api/questions/{name}")
async def put_question(request: web.Request) -> web.Response:
    """Save a question; it replaces one with the same name."""
    body = await parse_body(request, NewQuestion)
    saved = await asyncio.to_thread(
        save_question,
        request.app[WORKSPACE],
        request.match_info["name"],
        body.title,
        body.sql,
    )
    return web.json_response(_description(saved))


@routes.delete("/api/questions/{name}")
async def remove_question(request: web.Request) -> web.Response:
    """Delete a question that people saved."""
    await asyncio.to_thread(delete_question, request.app[WORKSPACE], request.match_info["name"])
    return web.Response(status=204)


def _description(question: Question) -> dict[str, object]:
    return asdict(question) | {"own": question.name not in QUESTIONS}
