"""List the models of a workspace with their main figures, and rank those that may be ranked together."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from catalog import (
    Board,
    BoardEntry,
    HeadFigure,
    ModelFigure,
    ModelList,
    ModelSummary,
    ModelVerdict,
    WeightsSource,
    Workspace,
    command_name,
)
from training.errors import FolderProblemError
from training.evaluation.findings import (
    BETTER,
    LEVEL,
    WORSE,
    Finding,
    Score,
    best_baseline_finding,
    predictor_name,
    scores,
)
from training.evaluation.saved_head import RETRIEVAL_FAMILY, SavedHead, subject_of
from training.library.folders import (
    ModelFolder,
    folder_names,
    is_unfinished,
    read_folder,
    read_json,
)
from training.predict.saved_model import EMBEDDER_CARD, NETWORK

log = logging.getLogger(__name__)

MOST_CHARACTERS = 200  # of a text of a model folder
MOST_HEADS = 50
RANDOM = "random_split"
_UNFINISHED = (
    "This training has not finished; follow it with: {} train monitor {}. "
    "The command that began it continues it."
)
_VERDICTS: dict[str, ModelVerdict] = {
    BETTER: "better than",
    LEVEL: "cannot be told from",
    WORSE: "worse than",
}


Describe = Callable[[Path, str], ModelSummary]
"""Describes the model of a folder, whose training report has this id."""


def list_models(workspace: Workspace, describe: Describe) -> ModelList:
    """List all models, the newest first; a folder that cannot be read is listed with the reason."""
    runs = runs_by_model(workspace)
    models = [
        describe(workspace.models / name, runs.get(name, "")) for name in folder_names(workspace)
    ]
    newest = sorted(models, key=lambda each: (each.trained_at, each.model_id), reverse=True)
    return ModelList(tuple(newest), rank_models(newest))


def summarise(path: Path, run_id: str) -> ModelSummary:
    """Describe one model; what is wrong with its folder is a sentence of the summary."""
    name = printable(path.name)
    try:
        if is_unfinished(path):
            return ModelSummary(name, "unfinished", _UNFINISHED.format(command_name(), name))
        return _summary(read_folder(path), run_id)
    except FolderProblemError as error:
        return ModelSummary(name, "unreadable", f"This model cannot be read: {error}.")
    except Exception:  # a folder may hold anything; the other models are listed
        log.exception("model %s cannot be described", name)
        return ModelSummary(name, "unreadable", "This model cannot be read: see the server's log.")


def runs_by_model(workspace: Workspace) -> dict[str, str]:
    """Return the id of the training report of each model that has one."""
    folder, runs = workspace.reports / "training", {}
    for path in sorted(folder.glob("*/report.html")):
        try:
            models = read_json(path.with_name("run.json")).get("models")
        except FolderProblemError:
            continue
        for model_id in models.values() if isinstance(models, dict) else ():
            runs[str(model_id)] = path.parent.name
    return runs


def rank_models(models: Iterable[ModelSummary]) -> tuple[Board, ...]:
    """Rank the models of equal data, split, head and label, the best value first."""
    lists: dict[tuple[str, ...], list[BoardEntry]] = {}
    for model in models:
        for figure in model.heads if model.dataset else ():  # older folders do not state theirs
            if figure.family == RETRIEVAL_FAMILY or figure.baseline is None:
                continue  # as in `train leaderboard`
            about = (figure.task, figure.column, *figure.classes, figure.metric)
            key = (model.dataset, model.version, model.dataset_digest, model.split_policy, *about)
            entry = BoardEntry(model.model_id, model.recipe, model.parameters, figure)
            lists.setdefault(key, []).append(entry)
    # A random split flatters, so its lists come last.
    in_order = sorted(lists, key=lambda key: (*key[:3], key[3] == RANDOM, *key[3:]))
    return tuple(_board(key, lists[key]) for key in in_order)


def _board(key: tuple[str, ...], entries: list[BoardEntry]) -> Board:
    figure = entries[0].figure
    sign = -1 if figure.higher_is_better else 1
    ranked = sorted(entries, key=lambda each: (sign * each.figure.model.value, each.model_id))
    dataset, version, _, policy, *_ = key
    return Board(dataset, version, policy, figure.task, figure.title, figure.metric, tuple(ranked))


def _summary(folder: ModelFolder, run_id: str) -> ModelSummary:
    facts = folder.facts
    config = facts.get("config") or {}
    names = ("recipe", "dataset", "version", "dataset_digest", "split_policy", "trained_at")
    return ModelSummary(
        printable(folder.model_id),
        "finished",
        **{name: shown(facts.get(name)) for name in names},
        seed=whole(config.get("seed")),
        parameters=whole(facts.get("parameters")),
        epochs=whole(facts.get("epochs")),
        seconds=_seconds(folder),
        weights=tuple(_weights(card) for card in facts.get("encoders") or ()),
        heads=head_figures(folder),
        run_id=run_id,
        predicts=_predicts(folder),
    )


def _predicts(folder: ModelFolder) -> bool:
    is_embedder = (folder.path / EMBEDDER_CARD).exists()
    has_network = (folder.path / NETWORK).is_file() and not is_embedder
    return has_network and subject_of(folder.facts) == "photo"


def _seconds(folder: ModelFolder) -> float | None:
    try:
        history = folder.history
    except FolderProblemError:
        return None
    return float(history["seconds"].sum()) if "seconds" in history.columns else None


def _weights(card: Mapping[str, Any]) -> WeightsSource:
    names = ("name", "kind", "file", "package", "sha256", "licence", "trained_on", "note")
    return WeightsSource(**{name: shown(card.get(name)) for name in names})


def head_figures(folder: ModelFolder) -> tuple[HeadFigure, ...]:
    """Return the main figure of each head that has one; none where the metrics cannot be read."""
    try:
        metrics = folder.metrics
    except FolderProblemError:
        return ()
    policy, figures = str(folder.facts.get("split_policy")), []
    for head in folder.heads[:MOST_HEADS]:
        finding = best_baseline_finding(metrics, policy, head)
        model = scores(metrics, policy, head).get("model")
        if model is not None:
            figures.append(_head_figure(head, model, finding))
    return tuple(figures)


def _head_figure(head: SavedHead, model: Score, finding: Finding | None) -> HeadFigure:
    return HeadFigure(
        task=shown(head.name),
        title=shown(head.title),
        family=head.family,
        column=shown(head.column),
        classes=tuple(map(shown, head.classes)),
        metric=head.metric_name,
        unit=shown(head.unit),
        higher_is_better=head.higher_is_better,
        model=figure_of(head, model),
        baseline_name=predictor_name(finding.baseline_name, head.subject) if finding else "",
        baseline=figure_of(head, finding.baseline) if finding else None,
        lead=figure_of(head, finding.lead, signed=True) if finding and finding.lead else None,
        verdict=verdict_in_words(finding.verdict) if finding else None,
    )


def figure_of(head: SavedHead, score: Score, *, signed: bool = False) -> ModelFigure:
    """Return a score for pages."""
    text = score.signed if signed else str(score)
    return ModelFigure(
        score.value, score.low, score.high, score.n, score.n_groups, shown(head.with_unit(text))
    )


def verdict_in_words(verdict: str) -> ModelVerdict:
    """Return a verdict as the middle of a sentence: the model is ... its baseline."""
    return _VERDICTS.get(verdict, "too few groups to tell")


def printable(text: str) -> str:
    """Replace what cannot be sent as UTF-8: surrogates of JSON files and of file names."""
    return text.encode("utf-8", "replace").decode()


def shown(text: object) -> str:
    """Return a text of a model folder, cut to what a page can show; empty for null."""
    written = "" if text is None else printable(str(text))
    return written if len(written) <= MOST_CHARACTERS else f"{written[:MOST_CHARACTERS]}…"


def whole(number: object) -> int | None:
    """Return a whole number as it is, and null for anything else."""
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) >= 2**53:
        return None
    return number
