"""Predictions for the server: a few at once, each in a thread, with limits on uploads, work and time.

A thread cannot be stopped, so a prediction that takes too long keeps its turn until it ends; others are refused then.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from catalog.errors import CatalogError, PictureRefusedError, TooManyPredictionsError
from catalog.web.predictions.predictor import (
    OpenPredictor,
    PicturePrediction,
    PredictionModel,
    Predictor,
)
from catalog.workspace.workspace import Workspace

UPLOADS_OF_ONE = 4
"""Uploads that may arrive at once, for each prediction that may be at work."""

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
        self._threads = ThreadPoolExecutor(max_at_work + 1, "predictions")
        self._at_work = self._arriving = 0

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
        """Predict one picture.

        Raises `TooManyPredictionsError`, `NoSuchModelError`, and `PictureRefusedError` also when it takes too long.
        """
        predictor = await self._open()
        if self._at_work >= self._max_at_work:
            raise TooManyPredictionsError(self._at_work)
        self._at_work += 1
        work = asyncio.ensure_future(self._in_thread(lambda: predictor.predict(model_id, picture)))
        work.add_done_callback(self._end_turn)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(work)
        except TimeoutError as error:
            limit = f"the prediction took more than {self._timeout_s:g} s"
            raise PictureRefusedError("too_slow", limit) from error

    async def close(self) -> None:
        """End threads and decoders; a prediction at work is waited for."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        if self._predictor is not None:
            await asyncio.to_thread(self._predictor.close)

    def _end_turn(self, work: asyncio.Future[PicturePrediction]) -> None:
        self._at_work -= 1
        if not work.cancelled():
            work.exception()  # it may have come after the time limit, when nobody waits for it

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
