"""Predictions for the server: a few at once, each in a thread, with limits on uploads, work and time.

Heat maps take as long as dozens of predictions, so only one is at work at a time, beside the predictions. A thread
cannot be stopped, so a prediction that takes too long keeps its turn until it ends; others are refused then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from catalog.errors import CatalogError, PictureRefusedError, TooManyPredictionsError
from catalog.web.predictions.lookup import FRESH_S, UploadLookup
from catalog.web.predictions.metrics import PredictionMetrics
from catalog.web.predictions.predictor import (
    HeatMap,
    OpenPredictor,
    PicturePrediction,
    PredictionModel,
    Predictor,
)
from catalog.workspace.workspace import Workspace

UPLOADS_OF_ONE = 4
"""Uploads that may arrive at once, for each prediction that may be at work."""
_TURN_CHECK_S = 0.05

Result = TypeVar("Result")


class PredictionService:
    """The predictor of one workspace, opened on first use. Belongs to one event loop."""

    def __init__(
        self,
        workspace: Workspace,
        opener: OpenPredictor | None,
        *,
        max_at_work: int,
        timeout_s: float,
    ) -> None:
        self._workspace, self._opener = workspace, opener
        self._max_at_work, self._timeout_s = max_at_work, timeout_s
        self._predictor: Predictor | None = None
        self._opening = asyncio.Lock()
        self._threads = ThreadPoolExecutor(max_at_work + 2, "predictions")
        self._at_work = self._arriving = self._maps_at_work = 0
        self._lookup = UploadLookup(workspace)
        self.metrics = PredictionMetrics(lambda: self._at_work, lambda: self._arriving)

    async def models(self) -> Sequence[PredictionModel]:
        """List the models that predict pictures, the newest first; raises `MissingPartError`."""
        predictor = await self._open()
        return await self._in_thread(predictor.models)

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """Count an upload while it arrives; raises `TooManyPredictionsError`."""
        if self._arriving >= UPLOADS_OF_ONE * self._max_at_work:
            raise TooManyPredictionsError(self._arriving)
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    async def predict(self, model_id: str, picture: bytes) -> PicturePrediction:
        """Predict one picture, and look it up in the catalog.

        Raises `TooManyPredictionsError`, `NoSuchModelError`, and `PictureRefusedError` also when it takes too long.
        """
        predictor = await self._open()
        if self._at_work >= self._max_at_work:
            raise TooManyPredictionsError(self._at_work)
        self._at_work += 1
        work = self._in_thread(
            lambda: self._lookup.add_to(predictor.predict(model_id, picture), picture)
        )
        return await self._within_time(work, self._end_turn)

    async def predict_in_turn(self, model_id: str, picture: bytes) -> PicturePrediction:
        """Predict one picture of several: wait for a turn as long as one prediction may take. Raises as `predict`."""
        last = asyncio.get_running_loop().time() + self._timeout_s
        while True:
            try:
                return await self.predict(model_id, picture)
            except TooManyPredictionsError:
                if asyncio.get_running_loop().time() >= last:
                    raise
                await asyncio.sleep(_TURN_CHECK_S)

    async def explain(self, model_id: str, picture: bytes, task: str, face: int) -> HeatMap:
        """Return what counted for an answer; raises as `predict`, and while another heat map is made."""
        predictor = await self._open()
        if self._maps_at_work:
            raise TooManyPredictionsError(self._maps_at_work)
        self._maps_at_work += 1
        work = self._in_thread(lambda: predictor.explain(model_id, picture, task, face))
        return await self._within_time(work, self._end_map)

    async def close(self) -> None:
        """End threads and decoders; a prediction at work is waited for."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._lookup.close)
        if self._predictor is not None:
            await asyncio.to_thread(self._predictor.close)

    async def _within_time(
        self, work: Awaitable[Result], end: Callable[[asyncio.Future[Result]], None]
    ) -> Result:
        """Wait for a thread up to the time limit; `end` is called when the thread ends, which may be later."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(end)
        task.add_done_callback(_retrieve)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(task)
        except TimeoutError as error:
            limit = f"the prediction took more than {self._timeout_s:g} s"
            raise PictureRefusedError("too_slow", limit) from error

    def _end_turn(self, _work: asyncio.Future[PicturePrediction]) -> None:
        self._at_work -= 1
        loop = asyncio.get_running_loop()
        loop.call_later(FRESH_S, loop.run_in_executor, None, self._lookup.close_if_old)

    def _end_map(self, _work: asyncio.Future[HeatMap]) -> None:
        self._maps_at_work -= 1

    async def _open(self) -> Predictor:
        if self._opener is None:
            raise CatalogError("this server predicts nothing; start it with the command safelight")
        async with self._opening:
            if self._predictor is None:
                opener, workspace = self._opener, self._workspace
                self._predictor = await self._in_thread(lambda: opener(workspace))
            return self._predictor

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


def _retrieve(work: asyncio.Future[Result]) -> None:
    """Take the error of a thread that ended after its time limit, when nothing waits for it."""
    if not work.cancelled():
        work.exception()
