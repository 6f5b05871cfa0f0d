"""Failed calls of an API while a listing runs: the spider's process writes them, the session shows them."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class CallFailure:
    """The last call failed; the next one is made at `next_at` (Unix seconds)."""

    problem: str
    cause: str
    next_at: float

    def line(self, now: float | None = None) -> str:
        """Describe the failure in one line; `now` is in Unix seconds.

        >>> CallFailure("the API does not answer", "connection refused", 107.0).line(now=103.0)
        'the API does not answer; next try in 4 s: connection refused'
        """
        left_s = max(self.next_at - (time.time() if now is None else now), 0)
        return ": ".join(filter(None, (f"{self.problem}; next try in {left_s:.0f} s", self.cause)))
