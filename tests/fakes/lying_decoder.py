"""A decoder child in other hands: a GIF whose bytes behind its mark are code that makes the reply."""

from collections.abc import Mapping, Sequence
from typing import Any


def warm_up() -> None:
    import ctypes  # noqa: F401 - what an attacker would bring along


def say(parts: Sequence[bytes], options: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    found: dict[str, Any] = {"result": {}, "parts": []}
    exec(parts[0][6:], {"found": found})
    return found["result"], found["parts"]


JOBS = {"examine": say, "thumbnail": say, "small": say}
