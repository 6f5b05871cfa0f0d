"""Pauses of hosts (Retry-After): which host, until when, and how many pictures wait for it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog import counted


@dataclass(frozen=True)
class HostPause:
    """A host that gets no request before `until` (Unix seconds), and the number of pictures that wait for it."""

    host: str
    until: float
    queued: int = 0

    def text(self) -> str:
        """Describe the pause in a few words."""
        waiting = f" ({counted(self.queued, 'picture')})" if self.queued else ""
        return f"{self.host} until {moment_text(self.until)}{waiting}"


def pauses_text(pauses: Sequence[HostPause]) -> str:
    """Name the hosts with the longest pauses; empty without any."""
    if not pauses:
        return ""
    longest = sorted(pauses, key=lambda pause: -pause.until)
    more = f" and {len(pauses) - 2} more hosts" if len(pauses) > 2 else ""
    return f"{', '.join(pause.text() for pause in longest[:2])}{more}"


def moment_text(at: float) -> str:
    """Write a time (Unix seconds) in local time, with the date unless it is today."""
    moment = datetime.fromtimestamp(at).astimezone()
    today = moment.date() == datetime.fromtimestamp(time.time()).astimezone().date()
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M:%S}"
