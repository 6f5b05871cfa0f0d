"""Look uploaded pictures up in the catalog. Opening the tables takes longer than a small prediction, so they stay open.

The tables are read anew after `FRESH_S`, and after a takedown at once; they are closed when nothing was looked up.
"""

import hashlib
import threading
import time
from dataclasses import replace

from catalog.lake.lake import Catalog, open_catalog
from catalog.web.predictions.predictor import PicturePrediction
from catalog.web.sections.uploaded import describe_upload
from catalog.workspace.caches import removal_mark
from catalog.workspace.workspace import Workspace

FRESH_S = 5.0


class UploadLookup:
    """The tables of one workspace while pictures are looked up; safe to use from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._opened_at = 0.0
        self._removal_mark = removal_mark(workspace)

    def add_to(self, prediction: PicturePrediction, picture: bytes) -> PicturePrediction:
        """Add what the catalog has about the bytes that were predicted."""
        sha256, model = hashlib.sha256(picture).hexdigest(), prediction.model
        with self._lock:
            row = describe_upload(self._open(), sha256, model.dataset, model.version)
        return replace(prediction, in_catalog=row)

    def close_if_old(self) -> None:
        """Close the tables when the next look-up would read them anew; another one may be at work."""
        if self._lock.acquire(blocking=False):
            try:
                if not self._is_fresh():
                    self._close()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close the tables."""
        with self._lock:
            self._close()

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._opened_at < FRESH_S

    def _open(self) -> Catalog:
        mark = removal_mark(self._workspace)
        if not self._is_fresh() or mark != self._removal_mark:
            self._close()
        if self._catalog is None:
            self._catalog = open_catalog(self._workspace)
            self._opened_at, self._removal_mark = time.monotonic(), mark
        return self._catalog

    def _close(self) -> None:
        if self._catalog is not None:
            self._catalog.close()
        self._catalog = None
