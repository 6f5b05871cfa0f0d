"""One thing that was looked at, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """What was looked at, its state, what was seen, and advice where there is something to do.

    A `note` is worth a line and needs nothing to be done; a `problem` keeps a part of Safelight from working.
    """

    name: str
    state: State
    value: str
    advice: str = ""
