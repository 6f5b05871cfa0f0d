"""Jobs of a decoder child that was taken over: it runs whatever code the file holds."""

from collections.abc import Mapping, Sequence
from typing import Any


def warm_up() -> None:
    import ctypes  # noqa: F401 - what an attacker would bring along
    import encodings.idna  # noqa: F401
    import signal  # noqa: F401
    import socket  # noqa: F401
    import subprocess  # noqa: F401


def run(parts: Sequence[bytes], options: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    found: dict[str, Any] = {"parts": []}
    exec(parts[0], {"found": found, "options": options})
    return {"said": found.get("said")}, found["parts"]


JOBS = {"run": run}
