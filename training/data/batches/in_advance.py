"""Batches made while the network works: slow ones in a thread, quick ones at once."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

Batch = TypeVar("Batch")

QUICK_S = 2e-4  # to hand a batch to a thread and back takes as much CPU time


def in_advance(makers: Iterable[Callable[[], Batch]]) -> Iterator[Batch]:
    """Yield what each function returns, in order; a thread calls the next one while the caller uses a result.

    After a call that took less than `QUICK_S` of CPU time the next function is called without the thread.

    >>> list(in_advance([lambda: 1, lambda: 2, lambda: 3]))
    [1, 2, 3]
    """
    is_quick, pending = False, deque[Callable[[], tuple[Batch, float]]]()
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as executor:
        for make in makers:
            call = partial(_timed, make)
            pending.append(call if is_quick else executor.submit(call).result)
            while len(pending) > (0 if is_quick else 1):
                batch, seconds = pending.popleft()()
                is_quick = seconds < QUICK_S
                yield batch
        yield from (result()[0] for result in pending)


def _timed(make: Callable[[], Batch]) -> tuple[Batch, float]:
    started = time.thread_time()
    return make(), time.thread_time() - started
