"""The report of a small run: its head, damaged files, links into the console, and texts that try to become markup."""

import base64
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from catalog import ConsoleLinks, Workspace, open_catalog
from catalog.reports.page import render_report
from curation.report.charts import HISTOGRAM_BINS, histogram
from curation.report.duplicates import MAX_MEMBERS
from curation.report.report import write_report
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.run.summary import CurationSummary
from curation.settings import CurateSettings
from tests.curation.small_catalog import (
    Shot,
    SmallEmbedder,
    exif,
    fill,
    jpeg,
    scene,
    sound_shots,
)
from tests.report_layout import tables_wider_than_their_box

HOSTILE = """<script>alert("x")</script>'"><img src=x onerror=alert(1)>"""
ADDRESS = "http://127.0.0.1:8360"
N_TRUNCATED = 9  # three more than the report shows


def shots() -> list[Shot]:
    """Sound pictures, many broken ones, many copies of one picture, and a hostile EXIF text."""
    broken = [jpeg(scene(800 + i)) for i in range(N_TRUNCATED)]
    copies = [jpeg(scene(3), quality=60 + i) for i in range(MAX_MEMBERS + 2)]
    return [
        *sound_shots(9),
        *(Shot(f"broken{i}.jpg", body[: len(body) // 2], exif(i)) for i, body in enumerate(broken)),
        *(Shot(f"copy{i}.jpg", body, exif(3)) for i, body in enumerate(copies)),
        Shot(HOSTILE, jpeg(scene(905)), exif(2, software=f"GIMP {HOSTILE}"), HOSTILE),
    ]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.at(tmp_path_factory.mktemp("report"))
    fill(made, shots())
    return made


@pytest.fixture(scope="module")
def summary(workspace: Workspace) -> CurationSummary:
    plan = replace(CurationPlan(), seed=7)
    settings = CurateSettings(runner="threads", workers=1)
    return curate(workspace, plan, settings, embedder=SmallEmbedder())


@pytest.fixture(scope="module")
def html(workspace: Workspace, summary: CurationSummary) -> str:
    return write_report(workspace).read_text("utf-8")


def section(html: str, name: str) -> str:
    """Give the section with the id `name`."""
    return html.split(f'<section aria-labelledby="{name}">')[1].split("</section>", maxsplit=1)[0]


class Tags(HTMLParser):
    """Collects the names of all tags and attributes, as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def statement(link: str) -> str:
    """Read the SQL in a link to the console, as static/address.js does."""
    text = unescape(link).partition("#q=")[2]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def test_the_head_has_date_snapshot_counts_and_plan(
    workspace: Workspace, summary: CurationSummary, html: str
) -> None:
    head = html.split("<section", maxsplit=1)[0]
    with open_catalog(workspace) as catalog:
        [run] = catalog.records("SELECT input_snapshot FROM curation_runs")
    assert f"Finished {summary.finished_at:%Y-%m-%d %H:%M:%S} UTC" in head
    assert f"catalog snapshot {run['input_snapshot']}" in head
    assert f"<dt>Pictures in</dt><dd>{summary.n_input}<" in head
    assert f"<dt>Kept</dt><dd>{summary.n_kept}<" in head
    assert f"<dt>Dropped</dt><dd>{summary.n_input - summary.n_kept}<" in head
    assert f"truncated {N_TRUNCATED}" in head
    assert "Plan: <b>seed</b> = 7." in head
    assert all(f">{name}</th>" in head for name in summary.plan)
    assert f"{ADDRESS}: start it with <code>safelight serve</code>" in head


def test_damaged_pictures_say_what_is_wrong_in_place_of_a_thumbnail(html: str) -> None:
    truncated = section(html, "dropped").split("<h3>truncated")[1].split("<h3>")[0]
    assert "<img" not in truncated
    assert len(re.findall(r'<span class="empty">truncated: \S+', truncated)) == 6


def test_links_lead_to_the_pages_of_pictures_and_to_all_of_the_rest(
    workspace: Workspace, summary: CurationSummary, html: str
) -> None:
    links = re.findall(r'href="([^"]+)"', html)
    assert all(link.startswith(ADDRESS) for link in links)
    pages = {link.removeprefix(f"{ADDRESS}/pictures/") for link in links if "/pictures/" in link}
    rests = re.findall(r'href="([^"]+)" rel="[^"]+">(\d+) more</a>', html)
    with open_catalog(workspace) as catalog:
        assets = {row["sha256"] for row in catalog.records("SELECT sha256 FROM assets")}
        results = [catalog.records(statement(link)) for link, _ in rests]
    assert pages
    assert pages <= assets
    assert (N_TRUNCATED, N_TRUNCATED - 6) in {
        (len(rows), int(n)) for rows, (_, n) in zip(results, rests, strict=True)
    }
    largest = max(len(rows) for rows in results if "is_keeper" in rows[0])
    assert largest > MAX_MEMBERS
    assert all(len(rows) > int(n) > 0 for rows, (_, n) in zip(results, rests, strict=True))


def test_every_statement_behind_a_link_runs(
    workspace: Workspace, summary: CurationSummary, html: str
) -> None:
    links = {link for link in re.findall(r'href="([^"]+)"', html) if "#q=" in link}
    with open_catalog(workspace) as catalog:
        assert all(catalog.records(statement(link)) for link in links)


def test_the_keeper_of_a_group_has_a_frame(summary: CurationSummary, html: str) -> None:
    groups = section(html, "duplicates").split('<article class="group">')[1:]
    assert len(groups) == summary.n_duplicate_groups
    for group in groups:
        [marked] = re.findall(r'<figure class="marked">.*?</figure>', group, re.DOTALL)
        assert "keeper</figcaption>" in marked
        assert "data:image/jpeg;base64," in marked


def test_text_from_sources_cannot_become_markup(html: str) -> None:
    assert "GIMP &lt;script&gt;" in html  # the evidence of a flag
    assert "<script" not in html
    tags = Tags()
    tags.feed(html)
    assert tags.names.isdisjoint({"script", "iframe", "link", "object"})
    assert not [name for name in tags.attributes if name.startswith("on")]


def test_the_section_about_splits_says_what_it_counts_and_fits_its_box(
    summary: CurationSummary, html: str
) -> None:
    text = section(html, "splits")
    assert f"counts all {summary.n_kept} kept pictures" in text
    assert "in more than one of train, validation and test" in text
    assert tables_wider_than_their_box(html) == []


@pytest.mark.long
def test_a_picture_whose_pack_is_gone_says_so(workspace: Workspace, tmp_path: Path) -> None:
    alone = Workspace.at(tmp_path)
    fill(alone, sound_shots(4))
    settings = CurateSettings(runner="threads", workers=1)
    copies = [Shot(f"copy{i}.jpg", jpeg(scene(1), quality=60), exif(1)) for i in range(2)]
    fill(alone, copies)
    curate(alone, None, settings, embedder=SmallEmbedder())
    for pack in alone.packs.iterdir():
        pack.unlink()
    html = write_report(alone).read_text("utf-8")
    assert "data:image/jpeg" not in html
    assert '<span class="empty">' in section(html, "duplicates")


def test_a_bar_stays_inside_its_frame() -> None:
    page = render_report("tests.curation.report", "bars.html", {"parts": [7.0, -1.0, 0.25]})
    assert re.findall(r"width:([\d.]+)%", page) == ["100.0", "0.0", "25.0"]


def test_histograms_share_their_scale_and_count_values_at_the_edges() -> None:
    figure = histogram([-0.5, 0.0, 0.5, 1.0, 1.5], 0.5, "dark")
    [axes] = figure.axes
    heights = [patch.get_height() for patch in axes.patches]
    assert len(heights) == HISTOGRAM_BINS
    assert (heights[0], heights[10], heights[-1]) == pytest.approx((0.4, 0.2, 0.4))
    assert axes.get_ylim() == (0, 1)
    colours = [patch.get_facecolor() for patch in axes.patches]
    assert len(set(colours[:10])) == len(set(colours[10:])) == 1
    assert colours[9] != colours[10]


@pytest.mark.parametrize(
    ("section", "address"),
    [
        ("", "http://127.0.0.1:8360"),
        ('host = "0.0.0.0"\nport = 9000', "http://127.0.0.1:9000"),
        ('host = "::1"', "http://[::1]:8360"),
        ('host = "photos.example"', "http://photos.example:8360"),
    ],
)
def test_links_name_the_address_at_which_serve_listens(
    tmp_path: Path, section: str, address: str
) -> None:
    made = Workspace.at(tmp_path)
    (tmp_path / "safelight.toml").write_text(f"[serve]\n{section}\n", "utf-8")
    assert ConsoleLinks.of_workspace(made).address == address
