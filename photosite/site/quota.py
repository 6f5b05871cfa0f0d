"""The two things the API asks before it answers: a key, and not too many requests an hour."""

import json
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FREE_PATHS = ("/images/", "/robots.txt", "/demo/", "/p/")
WINDOW_S = 3600.0


class Gate:
    """Lets requests with the right key through, `quota` of them an hour; null means no limit."""

    def __init__(self, key: str, quota: int | None) -> None:
        self.key = key
        self.quota = quota
        self._used = 0
        self._opened = time.monotonic()

    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 401 without the key, 403 with Unsplash's text when the quota is used up."""
        if request.path.startswith(FREE_PATHS):
            return await handler(request)
        if request.headers.get("Authorization") != f"Client-ID {self.key}":
            raise refusal(web.HTTPUnauthorized, "OAuth error: The access token is invalid")
        if not self._take():
            return web.Response(status=403, text="Rate Limit Exceeded", headers=self._counts())
        response = await handler(request)
        response.headers.update(self._counts())
        return response

    def _take(self) -> bool:
        if time.monotonic() - self._opened > WINDOW_S:
            self._used, self._opened = 0, time.monotonic()
        if self.quota is not None and self._used >= self.quota:
            return False
        self._used += 1
        return True

    def _counts(self) -> dict[str, str]:
        limit = self.quota if self.quota is not None else 1_000_000
        left = max(0, limit - self._used)
        return {"X-Ratelimit-Limit": str(limit), "X-Ratelimit-Remaining": str(left)}


def refusal(kind: type[web.HTTPError], message: str) -> web.HTTPError:
    """Make an error answer in the API's shape."""
    return kind(text=json.dumps({"errors": [message]}), content_type="application/json")
