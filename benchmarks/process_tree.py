"""Run a command and measure its whole process tree: time, CPU, memory.

CPU is user and system time as the kernel counts it for the command and every descendant that was waited for.
Memory is the sum of the resident sets of the tree, sampled: pages that processes share count once for each.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Measurement:
    """Resources that a command used; `output` is the text of stdout and stderr."""

    seconds: float
    cpu_s: float
    peak_rss: int
    code: int
    output: str


def measure(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    every_s: float = 0.05,
    sample: Callable[[float, int, float], None] | None = None,
) -> Measurement:
    """Run a command to its end; every `every_s` call `sample` with seconds, resident bytes and CPU seconds."""
    started, peak, ended = time.monotonic(), 0, threading.Event()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=dict(env), cwd=cwd, stdout=stream, stderr=subprocess.STDOUT
        )
    root = psutil.Process(process.pid)

    def watch() -> None:
        nonlocal peak
        while not ended.is_set():
            resident, cpu = usage_of(root)
            peak = max(peak, resident)
            if sample and resident:
                sample(time.monotonic() - started, resident, cpu)
            ended.wait(every_s)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        ended.set()
        watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measurement(
        time.monotonic() - started,
        usage.ru_utime + usage.ru_stime,
        peak,
        process.returncode,
        log.read_text("utf-8", "replace"),
    )


def usage_of(root: psutil.Process) -> tuple[int, float]:
    """Sum the resident bytes and CPU seconds of the running processes and of the children they have waited for."""
    resident, cpu = 0, 0.0
    try:
        members = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0, 0.0
    for member in members:
        try:
            with member.oneshot():
                times = member.cpu_times()
                resident += member.memory_info().rss
                cpu += times.user + times.system + times.children_user + times.children_system
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return resident, cpu
