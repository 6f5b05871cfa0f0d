"""The library of the console's pages about models: reads folders, needs no torch."""

import logging
import threading
from pathlib import Path

from catalog import (
    ModelComparison,
    ModelList,
    ModelPage,
    ModelsNotComparableError,
    ModelSummary,
    NoSuchModelError,
    PictureFilter,
    ReportPage,
    Workspace,
    command_name,
)
from training.errors import FolderProblemError
from training.library.folders import (
    HISTORY,
    METRICS,
    MOST_REPORT_BYTES,
    check_file,
    folder_names,
    read_folder,
)
from training.library.listing import list_models, runs_by_model, shown, summarise
from training.library.page import read_page
from training.predict.saved_model import EMBEDDER_CARD, FINISHED, NETWORK

log = logging.getLogger(__name__)

SUGGESTED = 3
_SUMMARISED = (FINISHED, EMBEDDER_CARD, NETWORK, HISTORY, METRICS)
UNREADABLE = "This model cannot be read: see the server's log."


class TrainedModels:
    """The models of one workspace, read anew when their files change; comparisons are made one at a time."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._comparing = threading.Lock()
        self._summaries: dict[Path, tuple[object, ModelSummary]] = {}

    def models(self) -> ModelList:
        """List all models, also unfinished and unreadable ones."""
        return list_models(self._workspace, self._describe)

    def model(self, model_id: str, visible: PictureFilter) -> ModelPage:
        """Read one model; of an unreadable one the summary says why. Raises `NoSuchModelError`."""
        path, summary = self._summary(model_id)
        if summary.state != "finished":
            return ModelPage(summary)
        try:
            return read_page(summary, read_folder(path), visible)
        except Exception:  # a folder may hold anything; the page says so
            log.exception("model %s cannot be shown", path.name)
            return ModelPage(summary, problems=(UNREADABLE,))

    def compare(self, first: str, second: str, visible: PictureFilter) -> ModelComparison:
        """Compare two models; raises `NoSuchModelError` and `ModelsNotComparableError`."""
        from training.library.comparison import (
            compare_folders,  # it loads scipy, which takes seconds
        )

        (one, of_one), (other, of_other) = self._summary(first), self._summary(second)
        with self._comparing:
            try:
                return compare_folders((of_one, of_other), one, other, visible)
            except (ModelsNotComparableError, NoSuchModelError):
                raise
            except Exception as error:  # a folder may hold anything; the page says so
                log.exception("models %s and %s cannot be compared", one.name, other.name)
                sentence = "these models cannot be compared: see the server's log"
                raise ModelsNotComparableError(sentence) from error

    def report(self, run_id: str, page: ReportPage = "report") -> bytes:
        """Return the HTML of a page of a training report; raises `NoSuchModelError`."""
        folder = self._workspace.reports / "training"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        if run_id not in names:
            raise NoSuchModelError(f"no training report has the id {shown(run_id)!r}")
        path = folder / run_id / f"{page}.html"
        try:
            if path.parent.is_symlink():
                raise FolderProblemError("the folder of the report is a link")
            check_file(path, MOST_REPORT_BYTES)
        except FolderProblemError as error:
            raise NoSuchModelError(
                f"{error}; write it with: {command_name()} train report"
            ) from error
        return path.read_bytes()

    def _summary(self, model_id: str) -> tuple[Path, ModelSummary]:
        """Find a model by its id or the unique beginning of it."""
        names = folder_names(self._workspace)
        matches = [name for name in names if name.startswith(model_id)] if model_id else []
        matches = [model_id] if model_id in names else matches
        if len(matches) != 1:
            known = ", ".join(map(shown, names[:SUGGESTED])) or "none yet"
            raise NoSuchModelError(f"model {shown(model_id)!r} does not exist; known: {known}")
        path = self._workspace.models / matches[0]
        run_id = runs_by_model(self._workspace).get(path.name, "")
        return path, self._describe(path, run_id)

    def _describe(self, path: Path, run_id: str) -> ModelSummary:
        """Describe a model; the same files are read once."""
        signature = (run_id, *map(_file_state, (path, *(path / name for name in _SUMMARISED))))
        kept = self._summaries.get(path)
        if kept is None or kept[0] != signature:
            kept = self._summaries[path] = signature, summarise(path, run_id)
        return kept[1]


def _file_state(path: Path) -> tuple[int, ...]:
    """Return what changes with the content of a file: inode, size, time; empty without the file."""
    try:
        about = path.lstat()
    except OSError:
        return ()
    return about.st_ino, about.st_size, about.st_mtime_ns
