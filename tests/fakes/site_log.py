"""What a site saw of a crawler, request by request, and what a polite crawler must not have done.

Times are of the monotonic clock. `slack_s` is what a message may take from one process to the other: a request
that was on its way when the site said "later" breaks no promise, and neither does a client that was killed before it
can have read that.
"""

import math
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

SLACK_S = 0.4  # requests on their way when an answer left, and a busy machine


@dataclass
class Seen:
    """One request; `picture` is the name it is for, `wait_s` the Retry-After of the answer (0 without)."""

    at: float
    host: str
    path: str
    picture: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 0  # no answer
    answered_at: float = math.inf
    wait_s: float = 0.0
    sent: int = 0


@dataclass(frozen=True)
class RobotsRule:
    """What the robots.txt of a host says: paths that begin so are barred, and requests are `delay_s` apart."""

    disallow: tuple[str, ...] = ()
    delay_s: float = 0.0

    def text(self) -> str:
        """Write it as robots.txt."""
        barred = [f"Disallow: {path}" for path in self.disallow]
        delay = [f"Crawl-delay: {self.delay_s}"] if self.delay_s else []
        return "\n".join(["User-agent: *", *barred, *delay, ""])


@dataclass
class SiteLog:
    """Every request in order, and the moments at which the client was killed."""

    rules: dict[str, RobotsRule] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    download_calls: Counter[str] = field(default_factory=Counter)

    def note_kill(self) -> None:
        """Note that the client was killed just now."""
        self.kills.append(time.monotonic())

    def early_retries(self, slack_s: float = SLACK_S) -> list[str]:
        """Say which requests came before a Retry-After to their picture, or to their host, ran out."""
        barring = [
            answer for answer in self.seen if answer.wait_s and not self._unread(answer, slack_s)
        ]
        return [
            f"{later.host}{later.path} came {later.at - answer.answered_at:.3f} s after an answer"
            f" {answer.status} to {answer.path} that asked for {answer.wait_s:.3f} s"
            for answer in barring
            for later in self._between(answer.answered_at, answer.answered_at + answer.wait_s)
            if later.host == answer.host
            and (later.picture == answer.picture or later.at > answer.answered_at + slack_s)
        ]

    def _unread(self, answer: Seen, slack_s: float) -> bool:
        return any(0 <= killed - answer.answered_at <= slack_s for killed in self.kills)

    def _between(self, start: float, end: float) -> list[Seen]:
        """Return the requests after `start` and before `end`."""
        first = bisect_left(self.seen, start, key=lambda seen: seen.at)
        last = bisect_left(self.seen, end, key=lambda seen: seen.at)
        return [seen for seen in self.seen[first:last] if seen.at > start]

    def robots_violations(self, jitter_s: float = 0.1) -> list[str]:
        """Say which requests a robots.txt barred, came before it was read, or followed too close.

        A request may be up to `jitter_s` late on its way, so that many are together at most that much closer than
        Crawl-delay; it does not add up over a long row of them.
        """
        return [
            problem
            for host, asked in self._by_host().items()
            for problem in (
                *_unread_robots(asked),
                *_barred(asked, self.rules.get(host, RobotsRule())),
                *_too_close(asked, self.rules.get(host, RobotsRule()).delay_s, jitter_s),
            )
        ]

    def _by_host(self) -> dict[str, list[Seen]]:
        hosts: dict[str, list[Seen]] = defaultdict(list)
        for seen in self.seen:
            hosts[seen.host].append(seen)
        return hosts

    def busiest(self, window_s: float) -> dict[str, int]:
        """Return for each host the greatest number of requests in any `window_s` seconds."""
        return {
            host: max(bisect_left(times, at + window_s) - first for first, at in enumerate(times))
            for host, times in (
                (host, [seen.at for seen in asked]) for host, asked in self._by_host().items()
            )
        }

    def over_rate(self, window_s: float, limit: int, hosts: Iterable[str] | None = None) -> int:
        """Return by how many requests the busiest window of any of the hosts (null: of all) is over `limit`.

        It is 0 when none is over it.
        """
        busiest = self.busiest(window_s)
        wanted = busiest if hosts is None else hosts
        return max(0, max((busiest.get(host, 0) for host in wanted), default=0) - limit)

    def missed_downloads(self) -> list[str]:
        """Return the pictures that were fetched although no download was reported for them."""
        return sorted({s.picture for s in self.seen if _is_image(s)} - self.download_calls.keys())

    def images(self, name: str) -> list[Seen]:
        """Return the requests for the bytes of one picture."""
        return [seen for seen in self.seen if seen.picture == name and _is_image(seen)]

    def longest_idle(self, host: str, rate: float, since: float) -> float:
        """Return the longest time that a host waited to be asked although it might be, in seconds, after `since`.

        Counted is the time before the first request for a picture from when its address was known and the host
        had had its pause of 1 / `rate`.
        """
        known = {
            s.picture: s.answered_at
            for s in self.seen
            if s.path.partition("?")[0].endswith("/download")
        }
        free, longest, begun = since, 0.0, set()
        for seen in self.seen:
            if seen.host != host or seen.at < since:
                continue
            if (
                _is_image(seen) and seen.picture not in begun
            ):  # a later one may be a retry, which has to wait
                longest = max(longest, seen.at - max(free, known[seen.picture]))
            begun.add(seen.picture)
            free = seen.at + 1 / rate
        return longest

    def last_image(self, *hosts: str) -> float:
        """Return when the last picture was given by one of the hosts."""
        given = (s for s in self.seen if s.host in hosts and _is_image(s) and s.status == 200)
        return max(seen.answered_at for seen in given)


def _is_image(seen: Seen) -> bool:
    return bool(seen.picture) and not seen.path.startswith("/photos")


def _unread_robots(asked: list[Seen]) -> Iterator[str]:
    read_at = min((s.answered_at for s in asked if s.path == "/robots.txt"), default=math.inf)
    for seen in asked:
        if _is_image(seen) and seen.at < read_at:
            yield f"{seen.host}{seen.path} was asked for before robots.txt was read"


def _barred(asked: list[Seen], rule: RobotsRule) -> Iterator[str]:
    for seen in asked:
        if seen.path.startswith(rule.disallow):
            yield f"{seen.host}{seen.path} is disallowed"


def _too_close(asked: list[Seen], delay_s: float, jitter_s: float) -> Iterator[str]:
    images = [seen for seen in asked if _is_image(seen)]
    latest = -math.inf  # when the first would have come, by the request that was latest on its way
    for number, seen in enumerate(images if delay_s else []):
        ahead_s = latest + number * delay_s - seen.at
        if ahead_s > jitter_s:
            yield f"{seen.host}{seen.path} came {ahead_s:.3f} s too soon after another"
        latest = max(latest, seen.at - number * delay_s)
