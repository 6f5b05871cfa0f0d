"""Write what a check of EXIF against pixels found: a picture of the ten least plausible, a page of twenty, a table."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from catalog import Workspace, counted
from training.data.arrays import MISSING
from training.evaluation.ranking import ClassPrediction, HeadPrediction, RankedPhoto
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead, saved_heads
from training.heads.classes import ClassHead
from training.report.panels.drawing import PanelContent, PanelRow, draw_panel
from training.report.panels.panel import SIDE_PX, panel_heads, panel_page
from training.report.panels.tiles import PredictionTile, make_tiles
from training.studies.exif_check import CheckResult, write_table

IN_ROW, ROWS = 5, 4


def write_check(result: CheckResult, workspace: Workspace) -> dict[str, Path]:
    """Write `exif_check.png`, `.html` and `.csv` beside the report of the curation run; return their paths by name."""
    folder = workspace.reports / "curation" / result.run_id
    paths = {"table": write_table(result, folder)}
    heads = _heads(result)
    tiles = list(_tiles(result, heads))
    if not tiles:
        return paths
    rows = {}
    for start in range(0, len(tiles), IN_ROW):
        part = tiles[start : start + IN_ROW]
        title = f"Rank {start + 1} to {start + len(part)}"
        rows[f"rank_{start + 1}"] = PanelRow(title, "largest residual first", part)
    content = PanelContent(
        rows=list(rows.values())[:2], title="Settings that fit their pictures least",
        note=_note(result), heads=heads, scales={}, has_intervals=False,
    )  # fmt: skip
    paths |= {"panel": folder / "exif_check.png", "page": folder / "exif_check.html"}
    draw_panel(content).save(paths["panel"])
    paths["page"].write_text(panel_page(rows, content), "utf-8")
    return paths


def _heads(result: CheckResult) -> list[SavedHead]:
    described = [head.describe() for head in result.job.task.heads if not head.is_auxiliary]
    drawable = panel_heads(saved_heads({"heads": described}))
    return [head for head in drawable if head.family == CLASS_FAMILY]


def _note(result: CheckResult) -> str:
    release, n = result.job.release, len(result.order)
    judged = "each judged by a model that saw nothing of its group"
    if result.is_borne:
        return f"{release.name}@{release.version}: {counted(n, 'photo')}, {judged}; suspects for people to look at"
    return f"{release.name}@{release.version}: {counted(n, 'photo')}, {judged}; not shown to be better than chance"


def _tiles(result: CheckResult, heads: list[SavedHead]) -> Iterator[PredictionTile]:
    """Yield the tiles of the least plausible pictures, with their rank in place of a loss."""
    rows = result.order[: IN_ROW * ROWS].tolist()
    chosen = [_ranked(result, heads, row) for row in rows]
    tiles = make_tiles(chosen, result.job.release, heads, SIDE_PX)
    predicted = result.residuals.stated.get("scene_ev")
    for rank, photo in enumerate(chosen, 1):
        text = f"{rank}: {photo.loss:.1f} nats"
        light = _light(result, rows[rank - 1])
        if predicted is not None and light is not None:
            text += f", EV {light:.1f}, seen {predicted[rows[rank - 1]]:.1f}"
        yield replace(tiles[photo.asset_sha256], loss_text=text)


def _light(result: CheckResult, row: int) -> float | None:
    head = next((each for each in result.job.task.heads if each.name == "scene_ev"), None)
    value = np.nan if head is None else float(head.truth(result.job.index[[row]])[0])
    return None if np.isnan(value) else value


def _ranked(result: CheckResult, heads: list[SavedHead], row: int) -> RankedPhoto:
    index, residuals = result.job.index[[row]], result.residuals
    by_name = {head.name: head for head in result.job.task.heads}
    predictions: dict[str, HeadPrediction] = {}
    for head in heads:
        target = int(cast("ClassHead", by_name[head.name]).truth(index)[0])
        if target == MISSING:
            continue
        shares = residuals.stated[head.name][row]
        loss = float(residuals.parts[head.name][row])
        predictions[head.name] = ClassPrediction(
            tuple(shares.tolist()), target, int(shares.argmax()), loss
        )
    group = str(index["group_id"][0])
    return RankedPhoto(
        str(index["asset_sha256"][0]), group, float(residuals.total[row]), predictions
    )
