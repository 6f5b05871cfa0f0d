"""Checking EXIF against pixels by one command: residuals, panel, and issues only where they are borne out."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from catalog import Workspace, open_catalog, rows, write_segment
from curation import record_residuals
from tests.training.made_release import make_release
from training.commands.train import train as command
from training.evaluation.intervals import Interval
from training.studies import exif_check
from training.studies.exif_check import CheckRequest, Residuals, check_exif, list_suspects

MOMENT = datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    workspace = Workspace.at(tmp_path)
    make_release(workspace, 40)
    run = {"run_id": "run", "plan_json": "{}", "started_at": MOMENT, "finished_at": MOMENT}
    write_segment(workspace, {"curation_runs": rows("curation_runs", [run])}, job="curate:run")
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return workspace


def issues(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        return list(catalog.records("SELECT * FROM issues ORDER BY severity DESC"))


@pytest.mark.long
def test_the_command_ranks_every_picture_and_lists_none_with_few_groups(made: Workspace) -> None:
    words = [
        "exif-check",
        "--home",
        str(made.home),
        "--preset",
        "smoke",
        "--folds",
        "2",
        "--repeats",
        "1",
    ]
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "too few groups to tell: no issue is written" in result.output
    assert "planted swaps" in result.output
    folder = made.reports / "curation" / "run"
    table = pl.read_csv(folder / "exif_check.csv")
    assert len(table) == 39  # one may not be used
    assert table["rank"].to_list() == list(range(1, 40))
    assert (np.diff(table["residual"].to_numpy()) <= 0).all()
    with Image.open(folder / "exif_check.png") as panel:
        assert panel.width > 1600
    page = (folder / "exif_check.html").read_text("utf-8")
    assert page.count('class="tile"') == 20
    assert "The first ten" in page
    assert issues(made) == []


@pytest.mark.long
def test_the_least_plausible_become_issues_once(made: Workspace) -> None:
    result = check_exif(made, CheckRequest(preset="smoke", folds=2, repeats=1))
    assert (result.is_borne, result.n_issues, issues(made)) == (False, 0, [])
    ranks = {name: Interval(0.5, 0.4, 0.6, 39, 30) for name in result.residuals.parts}
    residuals = replace(result.residuals, ranks=ranks)
    order = np.argsort(-residuals.total, kind="stable")
    borne = replace(result, residuals=residuals, order=order)
    assert list_suspects(made, borne) == 2  # 5 % of 39
    listed = issues(made)
    assert {row["kind"] for row in listed} == {"implausible_settings"}
    least = {borne.job.index["asset_sha256"][row] for row in order[:2].tolist()}
    assert {row["asset_sha256"] for row in listed} == least
    assert all(0 <= float(str(row["severity"])) <= 1 for row in listed)
    list_suspects(made, borne)
    assert len(issues(made)) == 2


def test_a_residual_is_an_issue_with_its_evidence_and_written_once(made: Workspace) -> None:
    described = {
        "asset_sha256": "a" * 64, "severity": 0.4, "setting": "iso", "value": 100.0,
        "expected": "high", "probability": 0.01, "residual": 3.2, "rank": 1,
    }  # fmt: skip
    with open_catalog(made) as catalog:
        assert record_residuals(catalog, "run", [described], "d" * 64) == 1
        record_residuals(catalog, "run", [described], "d" * 64)
        assert record_residuals(catalog, "run", [], "d" * 64) == 0
    [issue] = issues(made)
    assert issue["run_id"] == "run"
    assert '"expected": "high"' in str(issue["detail"])


def test_the_rule_wants_the_whole_interval_above_chance() -> None:
    def is_borne(low: float, n_groups: int = 30) -> bool:
        interval = Interval(0.2, low, 0.4, 60, n_groups)
        residuals = Residuals({}, {}, {})
        result = exif_check.CheckResult("run", None, residuals, interval, interval, 60)  # type: ignore[arg-type]  # no job
        return result.is_borne

    assert is_borne(0.06)
    assert not is_borne(0.05)
    assert not is_borne(0.1, n_groups=9)
