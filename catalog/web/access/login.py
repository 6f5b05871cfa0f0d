"""Signing in with a token, for browsers. Programs send `Authorization: Bearer TOKEN` and need none of this."""

import asyncio
import math

from aiohttp import web

from catalog.web.http.errors import problem
from catalog.web.http.keys import DOORS, SETTINGS, SIGN_INS
from catalog.web.http.tokens import SESSION_S

routes = web.RouteTableDef()
COOKIE = "safelight_session"
_WRONG_S = 0.5
"""Time that a wrong token costs, beside being one of 2^128."""


@routes.post("/login")
async def sign_in(request: web.Request) -> web.Response:
    """Take the token of the form and answer with a session cookie; then show the console."""
    token = await _token_of(request)
    attempts, address = request.app[SIGN_INS], request.remote or ""
    if wait_s := attempts.take(address):
        return too_many_attempts(request, wait_s)
    name = request.app[DOORS].name_of(token)
    if name is None:
        await asyncio.sleep(_WRONG_S)
        if _is_browser(request):
            return web.HTTPSeeOther("/login?wrong=1")
        return problem(401, "wrong_token", "this is no token of this server")
    attempts.give_back(address)
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


def too_many_attempts(request: web.Request, wait_s: float) -> web.Response:
    """Refuse an attempt that comes too early, and say when the next one is allowed."""
    seconds = math.ceil(wait_s)
    sentence = f"too many wrong tokens; try again in {seconds} s"
    answer = problem(429, "too_many_attempts", sentence)
    if _is_browser(request):
        answer = web.Response(text=sentence, status=429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


async def _token_of(request: web.Request) -> str:
    try:
        async with asyncio.timeout(request.app[SETTINGS].body_timeout_s):
            token = (await request.post()).get("token")
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    return token if isinstance(token, str) else ""


def _is_browser(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")
