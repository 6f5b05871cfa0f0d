"""What a decoder child does: import what decodes, give up its rights, decode files until its input closes.

Pipes carry four bytes with a length (big endian) and then JSON: a request has `job`, `options` and `lengths` of the
parts that lie one behind the other in the input; a reply has `result` and `lengths` of the parts in the output, or
`failed` and `detail`. Input and output are shared memory: the child reads the one and has the other mapped.
"""

import importlib
import json
import mmap
import os
import resource
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from catalog.sandbox.walls import landlock, privileges
from catalog.sandbox.walls.closed import what_is_closed
from catalog.sandbox.walls.system_calls import restrict_system_calls

Job = Callable[[Sequence[bytes], Mapping[str, Any]], tuple[dict[str, Any], Sequence[bytes]]]
"""What a child can do: parts of a file and options to a result that JSON can hold, and parts to give back."""

_LENGTH = struct.Struct(">I")


def run(module: str, files: Mapping[str, int], limits: Mapping[str, Any], *, parent: int) -> None:
    """Be the child: load the jobs of `module` (its JOBS, and `warm_up()`), give up all rights, serve."""
    requests, replies = files["requests"], files["replies"]
    try:
        output = mmap.mmap(files["output"], limits["output_bytes"])
        jobs = _load(module)
        give_up_rights(limits, parent)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side says it and does not go on
        _send(replies, {"failed": "start", "detail": f"{type(error).__name__}: {error}"[:500]})
        return
    paths = {"outside": "/etc/passwd", "writable": "/tmp"}  # noqa: S108 - tried, not used
    _send(replies, {"closed": what_is_closed(paths)})
    late = LateImports()
    sys.meta_path.insert(0, late)
    while (request := _receive(requests)) is not None:
        reply = _reply(jobs, request, files["input"], output)
        _send(replies, reply | {"late": late.take()} if late.names else reply)


class LateImports:
    """Notes what is imported behind the walls, where no file can be read: `warm_up` should have loaded it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, name: str, *_: object) -> None:
        """Find nothing, as the finders behind it; see `importlib.abc.MetaPathFinder`."""
        if len(self.names) < 10:
            self.names.append(name)

    def take(self) -> list[str]:
        """Give the names since the last call."""
        names, self.names = self.names, []
        return names


def _load(module: str) -> Mapping[str, Job]:
    jobs_module = importlib.import_module(module)
    jobs_module.warm_up()
    jobs: Mapping[str, Job] = jobs_module.JOBS
    return jobs


def give_up_rights(limits: Mapping[str, Any], parent: int) -> None:
    """Close every wall around this process; what is imported later is not imported at all."""
    if sys.platform == "linux" and len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - before pathlib
        raise RuntimeError("a library started a thread, which would stay outside the walls")
    privileges.become_nobody()
    privileges.die_with_parent()
    if os.getppid() != parent:  # it ended before that could be told
        os._exit(0)
    mapped = privileges.address_space()
    privileges.drop_capabilities()
    landlock.restrict_to(())
    privileges.limit(resource.RLIMIT_CORE, 0)
    privileges.limit(resource.RLIMIT_FSIZE, 0)  # pixels leave by the mapped output
    privileges.limit(resource.RLIMIT_NOFILE, 0)  # what is open stays open
    privileges.limit(resource.RLIMIT_NPROC, 0)
    privileges.limit(resource.RLIMIT_CPU, limits["cpu_s"])
    if mapped:
        privileges.limit(resource.RLIMIT_AS, mapped + limits["memory_bytes"])
    restrict_system_calls()


def _reply(
    jobs: Mapping[str, Job], request: Mapping[str, Any], source: int, output: mmap.mmap
) -> dict[str, Any]:
    try:
        parts = _parts(source, request["lengths"])
        result, given = jobs[request["job"]](parts, request["options"])
        if sum(map(len, given)) > len(output):
            return {"failed": "too_much_memory", "detail": "more pixels than the output holds"}
        end = 0
        for part in given:
            output[end : end + len(part)] = part
            end += len(part)
        return {"result": result, "lengths": [len(part) for part in given]}
    except MemoryError as error:
        return {"failed": "too_much_memory", "detail": f"MemoryError: {error}"[:200]}
    except Exception as error:  # noqa: BLE001 - a decoder on hostile bytes raises anything; told to the other side
        return {"failed": "undecodable", "detail": f"{type(error).__name__}: {error}"[:200]}


def _parts(source: int, lengths: Sequence[int]) -> list[bytes]:
    parts, start = [], 0
    for length in lengths:
        parts.append(os.pread(source, length, start))
        start += length
    return parts


def _receive(descriptor: int) -> Any:
    head = _read(descriptor, _LENGTH.size)
    return None if head is None else json.loads(_read(descriptor, *_LENGTH.unpack(head)) or b"null")


def _read(descriptor: int, length: int) -> bytes | None:
    received = b""
    while len(received) < length:
        piece = os.read(descriptor, length - len(received))
        if not piece:
            return None
        received += piece
    return received


def _send(descriptor: int, message: Mapping[str, Any]) -> None:
    body = json.dumps(message).encode()
    left = memoryview(_LENGTH.pack(len(body)) + body)
    while left:
        left = left[os.write(descriptor, left) :]
