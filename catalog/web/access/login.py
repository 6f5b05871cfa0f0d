"""Sign-in with a token, for browsers. Programs send `Authorization: Bearer TOKEN` instead."""

import asyncio
import math

from aiohttp import web

from catalog.web.http.app_keys import CREDENTIALS, SETTINGS, SIGN_IN_LIMIT
from catalog.web.http.credentials import SESSION_S
from catalog.web.http.errors import problem

routes = web.RouteTableDef()
COOKIE = "safelight_session"
_WRONG_TOKEN_DELAY_S = 0.5


@routes.post("/login")
async def sign_in(request: web.Request) -> web.Response:
    """Check the token of the form, set the session cookie and redirect to the console."""
    token = await _form_token(request)
    attempts, address = request.app[SIGN_IN_LIMIT], request.remote or ""
    if wait_s := attempts.take(address):
        return too_many_attempts(wait_s)
    name = request.app[CREDENTIALS].token_name(token)
    if name is None:
        await asyncio.sleep(_WRONG_TOKEN_DELAY_S)
        if _is_browser(request):
            return web.HTTPSeeOther("/login?wrong=1")
        return problem(401, "wrong_token", "this is not a token of this server")
    attempts.give_back(address)
    response = web.HTTPSeeOther("/")
    response.set_cookie(
        COOKIE,
        request.app[CREDENTIALS].open_session(name),
        max_age=SESSION_S,
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )
    return response


@routes.post("/logout")
async def sign_out(request: web.Request) -> web.Response:
    """End the session."""
    request.app[CREDENTIALS].sessions.pop(request.cookies.get(COOKIE, ""), None)
    response = web.HTTPSeeOther("/login")
    response.del_cookie(COOKIE)
    return response


def too_many_attempts(wait_s: float) -> web.Response:
    """Refuse an attempt that comes too early, and say when the next one is allowed."""
    seconds = math.ceil(wait_s)
    sentence = f"too many wrong tokens; try again in {seconds} s"
    response = problem(429, "too_many_attempts", sentence)
    response.headers["Retry-After"] = str(seconds)
    return response


async def _form_token(request: web.Request) -> str:
    try:
        async with asyncio.timeout(request.app[SETTINGS].body_timeout_s):
            token = (await request.post()).get("token")
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    return token if isinstance(token, str) else ""


def _is_browser(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")
