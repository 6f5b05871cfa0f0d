"""Signing in with a token, for browsers. Programs send `Authorization: Bearer TOKEN` and need none of this."""

import asyncio

from aiohttp import web

from catalog.web.errors import problem
from catalog.web.keys import DOORS
from catalog.web.tokens import SESSION_S

routes = web.RouteTableDef()
COOKIE = "safelight_session"
_WRONG_S = 0.5
"""Time that a wrong token costs, beside being one of 2^128."""


@routes.post("/login")
async def sign_in(request: web.Request) -> web.Response:
    """Take the token of the form and answer with a session cookie; then show the console."""
    form = await request.post()
    token = form.get("token")
    name = request.app[DOORS].name_of(token) if isinstance(token, str) else None
    if name is None:
        await asyncio.sleep(_WRONG_S)
        if "text/html" in request.headers.get("Accept", ""):
            return web.HTTPSeeOther("/login?wrong=1")
        return problem(401, "wrong_token", "this is no token of this server")
    answer = web.HTTPSeeOther("/")
    answer.set_cookie(
        COOKIE,
        request.app[DOORS].open_session(name),
        max_age=SESSION_S,
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )
    return answer


@routes.post("/logout")
async def sign_out(request: web.Request) -> web.Response:
    """End the session."""
    request.app[DOORS].sessions.pop(request.cookies.get(COOKIE, ""), None)
    answer = web.HTTPSeeOther("/login")
    answer.del_cookie(COOKIE)
    return answer
