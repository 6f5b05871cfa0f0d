"""Access control of the API: a key, and a quota of requests an hour."""

import json
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FREE_PATHS = ("/images/", "/robots.txt", "/demo/", "/p/")
WINDOW_S = 3600.0


class AccessControl:
    """Accepts requests with the right key, `quota` of them an hour; None means no limit."""

    def __init__(self, key: str, quota: int | None) -> None:
        self.key = key
        self.quota = quota
        self._used = 0
        self._window_start = time.monotonic()

    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Return 401 without the key, 403 with Unsplash's text when the quota is used up."""
        if request.path.startswith(FREE_PATHS):
            return await handler(request)
        if request.headers.get("Authorization") != f"Client-ID {self.key}":
            raise api_error(web.HTTPUnauthorized, "OAuth error: The access token is invalid")
        if not self._count_request():
            return web.Response(
                status=403, text="Rate Limit Exceeded", headers=self._rate_limit_headers()
            )
        response = await handler(request)
        response.headers.update(self._rate_limit_headers())
        return response

    def _count_request(self) -> bool:
        if time.monotonic() - self._window_start > WINDOW_S:
            self._used, self._window_start = 0, time.monotonic()
        if self.quota is not None and self._used >= self.quota:
            return False
        self._used += 1
        return True

    def _rate_limit_headers(self) -> dict[str, str]:
        limit = self.quota if self.quota is not None else 1_000_000
        left = max(0, limit - self._used)
        return {"X-Ratelimit-Limit": str(limit), "X-Ratelimit-Remaining": str(left)}


def api_error(kind: type[web.HTTPError], message: str) -> web.HTTPError:
    """Make an error response in the format of the API."""
    return kind(text=json.dumps({"errors": [message]}), content_type="application/json")
