import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from training.data.batches.in_advance import QUICK_S, in_advance

Made = tuple[int, bool]


def maker(number: int, *, is_slow: bool) -> Callable[[], Made]:
    """Return a function that takes little or much CPU time, and returns its number and whether a thread called it."""

    def make() -> Made:
        ends = time.thread_time() + (2 * QUICK_S if is_slow else 0)
        while time.thread_time() < ends:
            pass
        return number, threading.current_thread() is not threading.main_thread()

    return make


@given(st.lists(st.booleans(), max_size=20))
def test_results_come_in_order_whoever_made_them(slow: list[bool]) -> None:
    made = in_advance(maker(number, is_slow=each) for number, each in enumerate(slow))
    assert [number for number, _ in made] == list(range(len(slow)))


def test_slow_batches_are_made_by_a_thread() -> None:
    assert all(by_thread for _, by_thread in in_advance([maker(0, is_slow=True)] * 5))


def test_quick_batches_need_no_thread() -> None:
    made = [by_thread for _, by_thread in in_advance([maker(0, is_slow=False)] * 30)]
    assert made.count(False) > 15  # a disturbed machine may make some of them slow


def test_a_slow_batch_is_made_while_the_one_before_is_used() -> None:
    begun = threading.Event()

    def second() -> str:
        begun.set()
        return "second"

    batches = in_advance([lambda: "first", second])
    assert next(batches) == "first"
    assert begun.wait(5)
    assert list(batches) == ["second"]


def test_an_error_comes_in_the_place_of_its_batch() -> None:
    def fail() -> Made:
        raise ValueError("broken")

    made = in_advance([maker(0, is_slow=True), fail])
    assert next(made) == (0, True)
    with pytest.raises(ValueError, match="broken"):
        next(made)
