"""Let Ctrl+C stop a query at once: DuckDB looks at signals only now and then, and not at all while it gives rows."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
_LOOK_S = 0.2  # a signal is noticed at the latest then
_GIVEN_S = 10.0  # for the work to end after it was asked to


def stoppable(work: Callable[[], Result], stop: Callable[[], None]) -> Result:
    """Do `work` in a thread of its own and return what it gives; on Ctrl+C call `stop`, wait for the end, and raise.

    The caller is the main thread, which alone gets signals.
    """
    answers: list[Result] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        while not ended.wait(_LOOK_S):
            pass
    except BaseException:
        for _ in range(round(_GIVEN_S / _LOOK_S)):
            stop()  # again: a query that has not begun yet would not hear it
            if ended.wait(_LOOK_S):
                break
        raise
    if errors:
        raise errors[0]
    return answers[0]
