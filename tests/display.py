"""A display of progress for tests: it keeps the descriptions that it was to show."""

from collections.abc import Callable, Mapping
from typing import Any


class ListDisplay:
    """`shown` has each description in order, `around` the descriptions of the tasks around one, outermost first."""

    def __init__(self) -> None:
        self._open: dict[int, str] = {}
        self.shown: list[str] = []
        self.around: dict[str, tuple[str, ...]] = {}

    def begin(
        self,
        description: str,
        total: float | None,  # noqa: ARG002 - the signature of all displays
        unit: str,  # noqa: ARG002 - as above
        text: Callable[[], str] | None,  # noqa: ARG002 - as above
        *,
        announce: bool,  # noqa: ARG002 - as above
    ) -> int:
        self.around[description] = tuple(self._open.values())
        task_id = len(self.shown)
        self._open[task_id] = description
        self.shown.append(description)
        return task_id

    def advance(self, task_id: int, n: float) -> None: ...

    def update(
        self,
        task_id: int,
        changed: Mapping[str, Any],
        fields: Mapping[str, object] | None,  # noqa: ARG002 - as above
    ) -> None:
        if "description" in changed:
            self._open[task_id] = str(changed["description"])
            self.shown.append(self._open[task_id])

    def end(self, task_id: int, *, is_finished: bool) -> None:  # noqa: ARG002 - as above
        del self._open[task_id]

    def close(self) -> None:
        self._open.clear()
