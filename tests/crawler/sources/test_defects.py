import os
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler.commands.planner import plan_files
from crawler.errors import ContactMissingError, InputMissingError, InputRefusedError
from crawler.report.audit import audit
from crawler.session.crawl import crawl
from crawler.settings import CrawlSettings
from crawler.sources import DefectsSource
from crawler.sources.defects import SEVERITIES
from tests.factories import jpeg
from tests.fakes.fault_site import FaultSite
from tests.real_data import REAL, needs

HEADER = (
    "url,Bad Exposure,Bad White Balance,Bad Saturation,Noise,Haze,Undesired Blur,Bad Composition"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "defects.csv"
    path.write_text(
        f"{HEADER}\n"
        "http://a.example/1.jpg,0.1,-1,-0.5,0,0.25,1,0.2\n"
        "http://a.example/2.jpg,1.01,0,-1.5,-0.1,nan,,x\n"  # six of seven are no severities
        "a.example/3.jpg,0,0,0,0,0,0,0\n"
        "http://a.example/4.jpg,0,0\n"
    )
    return path


@needs("labels/photo_defects.csv")
def test_every_severity_of_the_set_is_in_its_range() -> None:
    plan = plan_files(DefectsSource(str(REAL / "labels/photo_defects.csv")))
    assert plan.rows == {"photos": 11_313, "labels": 7 * 11_313}
    assert (plan.files, plan.skipped) == (0, 0)


@pytest.mark.slow
@needs("labels/photo_defects.csv")
def test_all_severities_come_in_within_their_ranges(workspace: Workspace) -> None:
    source = DefectsSource(str(REAL / "labels/photo_defects.csv"))
    summary = crawl(workspace, source)
    assert (summary.rows["photos"], summary.rows["labels"]) == (11_313, 79_191)
    assert (summary.status, summary.skipped, summary.done) == ("finished", 0, 0)
    with open_catalog(workspace) as catalog:
        found = catalog.records(
            "SELECT task, count(*) AS n, min(value::DOUBLE) AS low, max(value::DOUBLE) AS high, "
            "any_value(label_source) AS who FROM labels GROUP BY task"
        )
        [addresses] = catalog.records("SELECT count(DISTINCT image_url) AS n FROM v_listed")
    assert {row["task"] for row in found} == {*SEVERITIES}
    assert {(row["n"], row["who"]) for row in found} == {(11_313, "votes")}
    for row in found:
        low, high = SEVERITIES[str(row["task"])]
        assert low <= float(str(row["low"])) < float(str(row["high"])) <= high
    assert min(float(str(row["low"])) for row in found) < 0  # dull colours: below zero
    assert addresses["n"] == 11_313


def test_values_out_of_range_and_lines_without_an_address_are_counted(
    workspace: Workspace, table: Path
) -> None:
    summary = crawl(workspace, DefectsSource(str(table)))
    assert (summary.skipped, summary.rows["photos"], summary.rows["labels"]) == (6 + 2, 2, 8)
    assert crawl(workspace, DefectsSource(str(table))).rows == {
        "crawls": 1,
        "labels": 0,
        "photos": 0,
    }
    with open_catalog(workspace) as catalog:
        labels = catalog.records("SELECT task, value FROM labels ORDER BY value::DOUBLE")
        photos = catalog.records("SELECT DISTINCT training_allowed FROM photos")
    assert [(row["task"], row["value"]) for row in labels][:2] == [
        ("bad_white_balance", "-1.0"),
        ("bad_saturation", "-0.5"),
    ]
    assert photos == [{"training_allowed": False}]
    assert audit(workspace).problems == []


def test_pictures_are_fetched_only_when_asked_for(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SAFELIGHT_CONTACT", "tests@example.org")
    with FaultSite({"one": jpeg(), "gone": b""}) as site:
        site.faults = {"gone": [404]}
        lines = [f"{site.url}/images/{name},0,0,0,0,0,0,0" for name in ("one", "gone")]
        (tmp_path / "d.csv").write_text("\n".join([HEADER, *lines]))
        settings = CrawlSettings(allow_private=True)
        crawl(workspace, DefectsSource(str(tmp_path / "d.csv")), settings)
        assert site.images.total() == 0
        summary = crawl(workspace, DefectsSource(str(tmp_path / "d.csv"), fetch=True), settings)
    assert (summary.done, summary.errors) == (1, {"http_404": 1})
    with open_catalog(workspace) as catalog:
        found = catalog.records(
            "SELECT count(*) AS n FROM v_photos JOIN labels ON subject_id = photo_id"
        )
    assert found == [{"n": 7}]
    assert audit(workspace).problems == []


def test_what_cannot_be_imported_is_refused(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAFELIGHT_CONTACT", raising=False)
    with pytest.raises(InputMissingError):
        DefectsSource(str(tmp_path / "none.csv")).check()
    with pytest.raises(ContactMissingError):
        DefectsSource(str(table), fetch=True).check()
    DefectsSource(str(table)).check()
    (tmp_path / "other.csv").write_text("url,Noise\n")
    with pytest.raises(InputRefusedError, match="no column bad_composition, bad_exposure"):
        list(DefectsSource(str(tmp_path / "other.csv")).pages("crawl"))
