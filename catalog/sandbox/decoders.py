"""Decode bytes of strangers with a few children: what a crawl, a curation run and their reports call.

Each thread that decodes has a child to itself while it waits for one file. A child that was killed, crashed or has
worked long is replaced by a fresh one; the file is tried once more when the child died, since something else may have
killed it, and a file that kills two is told of.
"""

import atexit
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from catalog.sandbox.decoder_process import Decoded, DecoderError, DecoderProcess
from catalog.sandbox.limits import DecoderLimits

log = logging.getLogger(__name__)


class DecoderPool:
    """Children that do the jobs of one module: its `JOBS` (see `decoder_child.Job`), after its `warm_up()`.

    Safe to use from several threads; children are started when they are needed, at most `size` (default: the cores).
    `close` ends them; they also end with this process. `closed` says, once one was started, which walls hold here.
    """

    def __init__(
        self, module: str, limits: DecoderLimits | None = None, *, size: int | None = None
    ) -> None:
        self.limits = limits or DecoderLimits()
        self._module = module
        self._size = size or os.cpu_count() or 1
        self._begin_afresh()
        os.register_at_fork(after_in_child=self._begin_afresh)
        atexit.register(self.close)

    def _begin_afresh(self) -> None:
        """Know no children; after a fork those that there are belong to the other process."""
        self._turns, self._lock = threading.Semaphore(self._size), threading.Lock()
        self._idle: list[DecoderProcess] = []
        self._starter: ThreadPoolExecutor | None = None
        self.closed: Mapping[str, bool] = {}

    @property
    def pids(self) -> list[int]:
        """Process ids of the children that wait for work."""
        return [child.pid for child in self._idle]

    def decode(self, job: str, *parts: bytes, **options: object) -> Decoded:
        """Have a file, in one part or more, decoded by a job; options must fit JSON.

        Raises `DecoderError`, and `SandboxError` when no child can be started.
        """
        try:
            return self._decode(job, parts, options)
        except DecoderError as error:
            if error.status != "crashed":
                raise
        return self._decode(job, parts, options)

    def close(self) -> None:
        """End the children that wait for work."""
        with self._lock:
            idle, self._idle = self._idle, []
            starter, self._starter = self._starter, None
        for child in idle:
            child.close()
        if starter:
            starter.shutdown()

    def _decode(self, job: str, parts: Sequence[bytes], options: dict[str, object]) -> Decoded:
        with self._turns:
            child = self._take()
            try:
                return child.decode(job, parts, options)
            finally:
                if child.is_usable:
                    self._idle.append(child)
                else:
                    child.close()

    def _take(self) -> DecoderProcess:
        while True:
            try:
                child = self._idle.pop()
            except IndexError:
                return self._start()
            if child.is_usable:
                return child
            child.close()

    def _start(self) -> DecoderProcess:
        """Start a child by a thread that lives as long as the pool: the kernel ends children with their thread."""
        with self._lock:
            if self._starter is None:
                self._starter = ThreadPoolExecutor(1, "decoders")
            starter = self._starter
        child = starter.submit(DecoderProcess, self._module, self.limits).result()
        if not self.closed and not all(child.closed.values()):
            still_open = [name for name, holds in child.closed.items() if not holds]
            log.warning("this system leaves decoders open: not %s", ", not ".join(still_open))
        self.closed = child.closed
        return child
