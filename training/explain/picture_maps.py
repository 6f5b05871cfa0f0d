"""Heat maps of picture files, and of the best and worst test pictures of a run."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from catalog import MissingPartError, Workspace, find_release, track
from training.data.arrays import Arrays
from training.errors import NoFeatureMapsError, UndecodablePictureError
from training.evaluation.ranking import RankedPhoto, select_photos
from training.evaluation.saved_head import SavedHead
from training.explain.grad_cam import Explainer, HeatMap, explained_text, require_captum
from training.explain.overlay import SheetColumn, as_picture, draw_sheet, overlay
from training.predict.predict_files import Model, load_model, read_model
from training.report.panels.panel import TITLES, panel_heads
from training.report.panels.tiles import PictureSource
from training.report.saved_run import HEAT_MAPS, SavedRun, read_run

SHOWN = 5  # pictures in a row of the report
VIEWS = ("best", "worst", "confident_wrong")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExplainedFile:
    """The overlay of one head for one file, and what it explains."""

    file: Path
    head: str
    explained: str
    overlay: Path


def explain_files(
    workspace: Workspace, model_id: str, files: Sequence[Path], folder: Path | None = None
) -> list[ExplainedFile]:
    """Write an overlay for each file and head: reports/heat_maps/<model_id>/<file>-<head>.png, or in `folder`.

    Raises ModelNotFoundError, MissingPartError without captum, NoFeatureMapsError for a model without maps, and
    UndecodablePictureError.
    """
    require_captum()
    model = load_model(workspace, model_id)
    explainer = Explainer(model)
    into = folder or workspace.reports / "heat_maps" / model.folder.name
    into.mkdir(parents=True, exist_ok=True)
    explained = []
    for name, file in zip(_names(files), files, strict=True):
        sample = model.view.from_bytes(file.read_bytes(), str(file))
        model.view.check(sample, str(file))
        seen, maps = explainer.explain(sample)
        for each in maps:
            path = into / f"{name}-{each.head}.png"
            overlay(seen, each.heat).save(path)
            explained.append(ExplainedFile(file, each.head, _text(model, each), path))
    return explained


def _names(files: Sequence[Path]) -> list[str]:
    """Name the overlays after their files; files of equal names get a number, too."""
    stems = [file.stem for file in files]
    return [
        stem if stems.count(stem) == 1 else f"{stem}-{number}"
        for number, stem in enumerate(stems, 1)
    ]


def write_heat_maps(run_folder: Path, workspace: Workspace) -> Path:
    """Write a sheet of heat maps for the best, the worst and the most confidently wrong test pictures of a run.

    `heat_maps.json` in the run folder names the sheets, or says why there are none; the report shows either.
    """
    run = read_run(run_folder, workspace.models)
    try:
        sheets, note = _sheets(run, find_release(workspace, run.release)), ""
    except (MissingPartError, NoFeatureMapsError) as error:
        sheets, note = {}, str(error)
    path = run_folder / HEAT_MAPS
    path.write_text(json.dumps({"sheets": sheets, "note": note}, indent=1) + "\n", "utf-8")
    return path


def _sheets(run: SavedRun, release: PictureSource) -> dict[str, str]:
    """Write the sheets; return their files by title."""
    heads = panel_heads(run.heads)
    if not heads or not run.main.predictions.height:
        return {}
    model = read_model(run.main.folder)
    explainer = Explainer(model)
    names = [head.name for head in heads]
    chosen = select_photos(run.main.predictions.filter(pl.col("task").is_in(names)), SHOWN)
    views: Mapping[str, Sequence[RankedPhoto]] = {name: getattr(chosen, name) for name in VIEWS}
    samples = _samples(model, release, [one for view in views.values() for one in view])
    shas = track(list(samples), "heat maps", unit="pictures")
    columns = {sha: _column(model, explainer, samples[sha], heads) for sha in shas}
    files = {}
    for name, view in views.items():
        shown = [columns[one.asset_sha256] for one in view if one.asset_sha256 in columns]
        if shown:
            files[TITLES[name]] = f"heat_maps_{name}.png"
            draw_sheet(shown, names).save(run.folder / files[TITLES[name]])
    _log.info("heat maps of %d test pictures, %d heads", len(columns), len(heads))
    return files


def _samples(
    model: Model, release: PictureSource, photos: Iterable[RankedPhoto]
) -> dict[str, Arrays]:
    """Return the samples of the photos that are rows of the release, by sha256; edited copies are not."""
    wanted = list(dict.fromkeys(photo.asset_sha256 for photo in photos))
    index = pl.DataFrame(release.index()).filter(pl.col("asset_sha256").is_in(wanted))
    samples = {}
    for row in index.iter_rows(named=True):
        with release.shard(row["shard"]).open("rb") as file:
            file.seek(row["offset"])
            data = file.read(row["length"])
        try:
            samples[row["asset_sha256"]] = model.view.from_bytes(data, row["asset_sha256"])
        except UndecodablePictureError as error:
            _log.warning("no heat map: %s", error)
    return samples


def _column(
    model: Model, explainer: Explainer, sample: Arrays, heads: Sequence[SavedHead]
) -> SheetColumn:
    seen, maps = explainer.explain(sample)
    by_name = {each.head: each for each in maps}
    overlays = [
        (
            overlay(seen, by_name[head.name].heat),
            f"{head.title}: {_text(model, by_name[head.name])}",
        )
        for head in heads
    ]
    return SheetColumn(as_picture(seen), "as the network sees it", overlays)


def _text(model: Model, heat_map: HeatMap) -> str:
    """Say what a map explains: the answer of its head."""
    head = next(each for each in model.heads if each.name == heat_map.head)
    calibration: Mapping[str, Any] = (model.facts.get("calibration") or {}).get(head.name, {})
    answer = head.answer(heat_map.stated, calibration)
    return explained_text(answer, heat_map.heat) or str(answer)
