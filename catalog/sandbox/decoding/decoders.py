"""Decode bytes of strangers with a few children: what a crawl, a curation run and their reports call.

Each thread that decodes has a child to itself while it waits for one file. A child that was killed, crashed or has
worked long is replaced by a fresh one; the file is tried once more when the child died, since something else may have
killed it, and a file that kills two is told of.
"""

import atexit
import logging
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from catalog.sandbox.decoding.child_handle import Decoded, DecoderError, DecoderProcess
from catalog.sandbox.walls.limits import DecoderLimits

log = logging.getLogger(__name__)


class DecoderPool:
    """Children that do the jobs of one module: its `JOBS` (see `decoder_child.Job`), after its `warm_up()`.

    Safe to use from several threads; children are started when they are needed, at most `size` (default: the cores).
    `close` ends them; they also end with this process. `closed` says, once one was started, which walls hold here.
    """

    def __init__(
        self,
        module: str,
        limits: DecoderLimits | None = None,
        *,
        size: int | None = None,
        patience_s: float = 0.0,
    ) -> None:
        """`patience_s`: how long a file waits for a child at work before another one is started."""
        self.limits, self._patience_s = limits or DecoderLimits(), patience_s
        self._module = module
        self._size = size or os.cpu_count() or 1
        self._begin_afresh()
        os.register_at_fork(after_in_child=self._begin_afresh)
        atexit.register(self.close)

    def _begin_afresh(self) -> None:
        """Know no children; after a fork those that there are belong to the other process."""
        self._turns, self._lock = threading.Semaphore(self._size), threading.Lock()
        self._idle: queue.LifoQueue[DecoderProcess] = queue.LifoQueue()
        self._n_working = 0
        self._starter: ThreadPoolExecutor | None = None
        self.closed: Mapping[str, bool] = {}

    @property
    def pids(self) -> list[int]:
        """Process ids of the children that wait for work."""
        return [child.pid for child in list(self._idle.queue)]

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
        while child := self._idle_one(0.0):
            child.close()
        with self._lock:
            starter, self._starter = self._starter, None
        if starter:
            starter.shutdown()

    def _decode(self, job: str, parts: Sequence[bytes], options: dict[str, object]) -> Decoded:
        with self._turns:
            child = self._take()
            try:
                return child.decode(job, parts, options)
            finally:
                with self._lock:
                    self._n_working -= 1
                if child.is_usable:
                    self._idle.put(child)
                else:
                    child.close()

    def _take(self) -> DecoderProcess:
        with self._lock:
            patience_s = self._patience_s if self._n_working else 0.0
            self._n_working += 1
        try:
            while child := self._idle_one(patience_s):
                if child.is_usable:
                    return child
                child.close()
            return self._start()
        except BaseException:
            with self._lock:
                self._n_working -= 1
            raise

    def _idle_one(self, patience_s: float) -> DecoderProcess | None:
        try:
            return self._idle.get(block=patience_s > 0, timeout=patience_s or None)
        except queue.Empty:
            return None

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
