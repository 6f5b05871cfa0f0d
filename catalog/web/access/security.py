"""Checks of every request before its handler runs, and headers of every response.

Host: the host name of a request must be one of the server's. Otherwise a page of another site could reach a server on
loopback by DNS rebinding.
Origin: a browser may send a change from the server's own pages only.
Headers: scripts, styles, frames and connections of the same origin only; no sniffing; no referrer.
"""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from catalog.web.access.login import COOKIE, too_many_attempts
from catalog.web.http.app_keys import CALLER, CREDENTIALS, SETTINGS, SIGN_IN_LIMIT
from catalog.web.http.errors import problem

POLICY = "Content-Security-Policy"
HEADERS = {
    POLICY: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self'; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
COMPILING = {
    POLICY: HEADERS[POLICY].replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
}
"""For the one page whose library makes functions of text: plotly writes its WebGL draw calls that way."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PUBLIC = ("/login", "/static/", "/health")
"""Paths that need no authentication: the sign-in page with its scripts and styles, and whether the server lives."""
_ALL_INTERFACES = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not listened on
_CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG001 - aiohttp's signature
    """Put the security headers on every response before it is sent."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request whose Host header is not one of the server's names."""
    settings = request.app[SETTINGS]
    names = {*_LOOPBACK, settings.host.lower(), *settings.allowed_hosts.lower().split()}
    host = _host(request.headers.get("Host", ""))
    if host not in names and not (settings.host in _ALL_INTERFACES and _is_address(host)):
        return problem(
            421, "unknown_host", "this name is not one of the server's: see [serve] allowed_hosts"
        )
    return await handler(request)


@web.middleware
async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a change that comes from a page of another site."""
    if request.method in _CHANGING_METHODS:
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("Host")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if foreign or site not in ("same-origin", "none"):
            return problem(
                403, "foreign_origin", "changes are accepted from the server's own pages only"
            )
    return await handler(request)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Require a token or a session where the server has tokens; store the caller's name under `CALLER`."""
    session = request.cookies.get(COOKIE, "")
    authorization = request.headers.get("Authorization", "")
    caller = request.app[CREDENTIALS].authenticate(authorization, session)
    # A wrong bearer token counts like a wrong token of the form. A right one is never refused.
    is_wrong = caller is None and authorization.lower().startswith("bearer ")
    if is_wrong and (wait_s := request.app[SIGN_IN_LIMIT].take(request.remote or "")):
        return too_many_attempts(wait_s)
    if caller is None and not request.path.startswith(_PUBLIC):
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            raise web.HTTPSeeOther("/login")
        response = problem(401, "token_needed", "send a token: Authorization: Bearer TOKEN")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    request[CALLER] = caller or ""
    return await handler(request)


def _is_address(host: str) -> bool:
    """Say whether this is an IP address, which DNS rebinding cannot redirect."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host(header: str) -> str:
    """Return the name in a Host header: `::1` for `[::1]:80`."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""
