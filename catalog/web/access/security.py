"""What every answer carries and every request must pass, before any handler sees it.

Host: the name in the request must be one of ours, else a page elsewhere could reach a loopback server by DNS rebinding.
Origin: a browser that changes something must come from our own pages.
Headers: no script, style, frame or connection but our own; no sniffing; no referrer.
"""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web

from catalog.web.access.login import COOKIE, too_many_attempts
from catalog.web.http.errors import problem
from catalog.web.http.handlers import Handler
from catalog.web.http.keys import CALLER, DOORS, SETTINGS, SIGN_INS

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FOR_ALL = ("/login", "/static/")
"""What a stranger may see: the page to sign in, and what it looks like."""
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not listened on
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG001 - aiohttp's signature
    """Put the security headers on an answer that is about to be sent, whatever it is."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


@web.middleware
async def known_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request that names a host which is not ours."""
    settings = request.app[SETTINGS]
    ours = {*_LOOPBACK, settings.host.lower(), *settings.allowed_hosts.lower().split()}
    host = _host(request.headers.get("Host", ""))
    if host not in ours and not (settings.host in _ANY and _is_address(host)):
        return problem(
            421, "unknown_host", "this name is not one of the server's: see [serve] allowed_hosts"
        )
    return await handler(request)


@web.middleware
async def own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a change that another site's page asks for."""
    if request.method in _CHANGES:
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("Host")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if foreign or site not in ("same-origin", "none"):
            return problem(
                403, "foreign_origin", "changes are accepted from the server's own pages only"
            )
    return await handler(request)


@web.middleware
async def known_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ask for a token or a session where the server has tokens; note who asks under `CALLER`."""
    doors = request.app[DOORS]
    session = request.cookies.get(COOKIE, "")
    caller = doors.who(request.headers.get("Authorization", ""), session)
    # A wrong token of a program counts like one of the form; a right one is never refused.
    given = request.headers.get("Authorization", "")
    is_wrong = caller is None and given.lower().startswith("bearer ")
    if is_wrong and (wait_s := request.app[SIGN_INS].take(request.remote or "")):
        return too_many_attempts(request, wait_s)
    if caller is None and not request.path.startswith(_FOR_ALL):
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            raise web.HTTPSeeOther("/login")
        answer = problem(401, "token_needed", "send a token: Authorization: Bearer TOKEN")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    request[CALLER] = caller or ""
    return await handler(request)


def _is_address(host: str) -> bool:
    """Say whether this is an IP address: no name stands behind it that somebody could point elsewhere."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host(header: str) -> str:
    """Take the name out of a Host header: `[::1]:80` is `::1`."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""
