"""Write the panel of best and worst photographs: an image of ten photographs, and a page with four views.

Below each photograph are three ring charts, for aperture, ISO and exposure time: the ring is the
predicted distribution over low, medium and high (light, medium, dark blue), the centre is the true class.
Faces are not blurred; that needs a face detector, which this version does not have.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from training.data.photo_settings import CLASSES, SHORT_NAMES, TASKS, class_ranges
from training.evaluation.ranking import PanelSelection, select_photos
from training.report.page import picture_uri, render
from training.report.panel_drawing import PanelRow, draw_panel
from training.report.prediction_plot import BLUES, svg_prediction
from training.report.saved_run import SavedModel, SavedRun
from training.report.tiles import PictureSource, PredictionTile, make_tiles

SIDE_PX = 640  # longer side of a picture on the page
VIEWS = {
    "best": ("Best", "lowest negative log-likelihood"),
    "worst": ("Worst", "highest negative log-likelihood"),
    "confident_wrong": ("Most confident wrong", "highest probability of a wrong class"),
    "typical": ("Most typical", "closest to the median NLL"),
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PanelPaths:
    """The files of a panel: the picture (best above worst) and the page with all four views."""

    png: Path
    html: Path


def write_panel(
    run: SavedRun, release: PictureSource, *, policy: str = "split", count: int = 5
) -> PanelPaths:
    """Write `panel.png` and `panel.html` into the run folder.

    Rows are ordered by NLL averaged over heads, on test pictures with labels for all heads. If the run did not
    train `policy`, its main model is used.
    """
    model = run.models.get(policy, run.main)
    chosen = select_photos(model.predictions, count)
    views = {name: getattr(chosen, name) for name in VIEWS}
    tiles = make_tiles((one for view in views.values() for one in view), release, SIDE_PX)
    rows = {
        name: PanelRow(*VIEWS[name], [tiles[one.asset_sha256] for one in view])
        for name, view in views.items()
    }
    paths = PanelPaths(run.folder / "panel.png", run.folder / "panel.html")
    title = f"Where the {run.facts['recipe']} model is best and worst"
    note = _note(run, model, chosen)
    draw_panel([rows["best"], rows["worst"]], title, note, run.bins).save(paths.png)
    paths.html.write_text(_page(rows, title, note, run.bins), encoding="utf-8")
    _log.info("panel of %d of %d test photos", len(tiles), chosen.n_ranked)
    return paths


def _note(run: SavedRun, model: SavedModel, chosen: PanelSelection) -> str:
    apart = "groups kept apart" if model.policy == "split" else "random split"
    return (
        f"{run.release}, {apart}: {chosen.n_ranked} test photos with labels for all settings, "
        "ranked by negative log-likelihood (NLL, nats, mean over heads)"
    )


def _page(rows: Mapping[str, PanelRow], title: str, note: str, bins: Mapping[str, Any]) -> str:
    views = [
        {
            "id": name.replace("_", "-"),
            "title": row.title,
            "note": row.note,
            "tiles": [_tile(tile) for tile in row.tiles],
        }
        for name, row in rows.items()
    ]
    legend = [
        {
            "name": name,
            "colour": blue,
            "ranges": ", ".join(class_ranges(bins, task)[number] for task in TASKS if task in bins),
        }
        for number, (name, blue) in enumerate(zip(CLASSES, BLUES, strict=True))
    ]
    return render("panel.html", {"title": title, "note": note, "views": views, "legend": legend})


def _tile(tile: PredictionTile) -> dict[str, object]:
    return {
        "choice": tile.choice,
        "tile": tile,
        "picture": picture_uri(tile.picture),
        "heads": [_head(tile, task) for task in TASKS if task in tile.choice.heads],
    }


def _head(tile: PredictionTile, task: str) -> dict[str, object]:
    head = tile.choice.heads[task]
    return {
        "name": SHORT_NAMES[task],
        # Safe: `svg_prediction` escapes the text inside.
        "svg": Markup(svg_prediction(task, head.probabilities, head.target)),  # noqa: S704
        "value": tile.values[task],
        "predicted": CLASSES[head.predicted],
        "is_right": head.is_right,
    }
