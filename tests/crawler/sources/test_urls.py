from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import Rights, Workspace, open_catalog, record_rights
from crawler.commands.crawl import crawl as command
from crawler.fetch.hosts import allow_host
from crawler.frontier.frontier import Frontier
from crawler.listing.vocabulary import photo_id
from crawler.session.crawl import CrawlOptions, crawl, retry
from crawler.session.records import make_crawl_id
from crawler.session.session import StopRequest
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import UrlListSource
from tests.crawler.list_files import Rows, as_csv, as_jsonl, as_parquet
from tests.factories import jpeg
from tests.fakes.fault_site import FaultSite


@pytest.fixture(autouse=True)
def contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


def settings() -> CrawlSettings:
    return allow_host(CrawlSettings(backoff_s=0.01), "http://127.0.0.1")


def run(workspace: Workspace, source: UrlListSource) -> CrawlSummary:
    return crawl(workspace, source, settings())


def test_a_list_becomes_photos_with_labels_and_error_rows(
    workspace: Workspace, tmp_path: Path
) -> None:
    with FaultSite({"a": jpeg(seed=1), "b": jpeg(seed=2)}) as site:
        rows: Rows = [
            {"url": f"{site.url}/images/a", "caption": "one", "kind": "cat", "id": "7"},
            {
                "url": f"{site.url.upper()}/images/a#again".replace("/IMAGES", "/images"),
                "caption": "two",
            },
            {"url": f"{site.url}/images/b", "caption": None, "kind": "dog", "id": "8"},
            {"url": f"{site.url}/status/404", "caption": "gone", "kind": "dog", "id": "9"},
            {"url": None, "caption": "none", "kind": "dog", "id": "10"},
        ]
        rows[1]["url"] = str(rows[1]["url"]).replace("HTTP", "Http")
        as_jsonl(tmp_path / "list.jsonl", rows)
        source = UrlListSource(str(tmp_path / "list.jsonl"), label_cols=["kind"])
        summary = run(workspace, source)
        again = run(workspace, source)
        assert site.images == {"a": 1, "b": 1}  # one address is one photo, also the next time
    assert (summary.status, summary.listed, summary.skipped, summary.done) == (
        "finished",
        4,
        1,
        2,
    )
    assert summary.errors == {"http_404": 1}
    assert {name: n for name, n in again.rows.items() if n} == {"crawls": 1}
    with open_catalog(workspace) as catalog:
        photos = catalog.records("SELECT * FROM photos ORDER BY image_url")
        labels = catalog.records("SELECT * FROM labels ORDER BY value")
    assert [photo["title"] for photo in photos] == ["one", None]
    assert photos[0]["image_url"] == photos[0]["source_photo_id"] == f"{site.url}/images/a"
    assert {(photo["training_allowed"], photo["training_basis"]) for photo in photos} == {
        (False, "no_basis_recorded")
    }
    assert [(label["task"], label["value"], label["label_source"]) for label in labels] == [
        ("kind", "cat", "dataset"),
        ("kind", "dog", "dataset"),
    ]
    assert {label["subject_id"] for label in labels} == {photo["photo_id"] for photo in photos}


def test_ids_of_a_column_are_those_of_the_named_source(
    workspace: Workspace, tmp_path: Path
) -> None:
    with FaultSite({"a": jpeg()}) as site:
        as_csv(tmp_path / "list.csv", [{"url": f"{site.url}/images/a", "id": "x1"}])
        source = UrlListSource(
            str(tmp_path / "list.csv"), id_col="id", known_as="museum", training_basis="CC0"
        )
        run(workspace, source)
    with open_catalog(workspace) as catalog:
        [photo] = catalog.records("SELECT * FROM photos")
    assert (photo["source"], photo["source_photo_id"]) == ("museum", "x1")
    assert photo["photo_id"] == photo_id("museum", "x1")
    assert (photo["training_allowed"], photo["training_basis"]) == (True, "CC0")


@pytest.mark.slow
def test_an_interrupted_listing_goes_on_behind_the_last_page(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("".join(f"http://127.0.0.1:9/{n}\n" for n in range(2500)))
    stop = StopRequest()
    source = UrlListSource(str(tmp_path / "list.txt"))
    pages = source.pages

    class Interrupted(UrlListSource):
        def pages(self):  # type: ignore[no-untyped-def]
            for page in pages():
                yield page
                stop.request()

    interrupted = Interrupted(source.path)
    first = crawl(workspace, interrupted, settings(), CrawlOptions(stop=stop))
    assert (first.status, first.listed) == ("stopped", 1000)
    second = crawl(
        workspace, source, CrawlSettings(), CrawlOptions(relist=False)
    )  # private addresses are refused, so that nothing is asked
    assert (second.listed, second.errors) == (
        1500,
        {"private_address": 2500 - first.failed},
    )


def test_the_command_plans_and_runs(workspace: Workspace, tmp_path: Path) -> None:
    with FaultSite({"a": jpeg()}) as site:
        as_csv(
            tmp_path / "list.csv", [{"link": f"{site.url}/images/a", "n": 1}, {"link": "", "n": 2}]
        )
        arguments = ["--url-col", "link", "--labels-all", "--home", str(workspace.home)]
        words = ["urls", str(tmp_path / "list.csv"), *arguments]
        plan = CliRunner().invoke(command, ["plan", *words])
        assert "1 address on 1 host" in plan.output
        assert "1 line without an address" in plan.output
        done = CliRunner().invoke(command, ["run", *words, "--allow-private"])
    assert done.exit_code == 0, done.output
    assert "brought in 1" in done.output
    with open_catalog(workspace) as catalog:
        [label] = catalog.records("SELECT task, value FROM labels")
    assert label == {"task": "n", "value": "1"}


def listed(path: Path, site: FaultSite, names: Rows) -> UrlListSource:
    as_parquet(path, [{"url": f"{site.url}/images/{row['name']}"} | row for row in names])
    return UrlListSource(str(path), label_cols=("breed",))


def bases(workspace: Workspace) -> list[tuple[object, object]]:
    with open_catalog(workspace) as catalog:
        found = catalog.records(
            "SELECT training_allowed, training_basis FROM v_photos ORDER BY image_url"
        )
    return [(row["training_allowed"], row["training_basis"]) for row in found]


@pytest.mark.long
def test_a_basis_that_is_stated_later_reaches_what_is_here_without_a_request(
    workspace: Workspace, tmp_path: Path
) -> None:
    pictures = {f"{n}.jpg": jpeg(seed=n) for n in range(4)}
    rows: Rows = [{"name": name, "breed": "pug"} for name in pictures]
    mine, ours = (True, "they are mine"), (True, "ours, too")
    with FaultSite(pictures) as site:
        site.faults = {"3.jpg": [500]}
        settings = allow_host(CrawlSettings(max_attempts=1), site.url)
        source = listed(tmp_path / "list.parquet", site, rows)
        first = crawl(workspace, source, settings)
        assert (first.permission.allowed, first.permission.total) == (0, 3)
        assert first.permission.sentence().endswith("because no_basis_recorded (3)")
        asked = site.images.total()
        stated = crawl(workspace, replace(source, training_basis=mine[1]), settings)
        assert stated.crawl_id == first.crawl_id
        assert site.images.total() == asked, "nobody is asked again"
        assert stated.basis is not None
        assert stated.basis.changed == 3
        assert bases(workspace) == [mine] * 3
        # A later retry and a changed text reach all of them, a refusal by a person stays.
        retried = retry(workspace, settings)
        assert (retried.done, retried.permission.allowed) == (1, 4)
        no = Rights(training_allowed=False, training_basis="she said no")
        record_rights(workspace, "image_url LIKE '%0.jpg'", no)
        crawl(workspace, replace(source, training_basis=ours[1]), settings)
        assert bases(workspace) == [(False, "she said no"), ours, ours, ours]
        # A photo that another list has brought in is listed here as well.
        longer = listed(tmp_path / "other.parquet", site, rows[1:2])
        other = crawl(workspace, replace(longer, training_basis="by contract"), settings)
        assert other.basis is not None
        assert other.basis.changed == 1


def test_a_crawl_of_older_code_goes_on_under_its_name(workspace: Workspace, tmp_path: Path) -> None:
    with FaultSite({"0.jpg": jpeg()}) as site:
        settings = allow_host(CrawlSettings(), site.url)
        source = replace(
            listed(tmp_path / "list.parquet", site, [{"name": "0.jpg", "breed": "pug"}]),
            training_basis="mine",
        )
        older = make_crawl_id(source.name, source.config)
        with Frontier(workspace.frontier) as frontier:
            frontier.open_crawl(older, source.name, source.config)
        assert crawl(workspace, source, settings).crawl_id == older
        workspace.frontier.unlink()
        assert crawl(workspace, source, settings).crawl_id == older, "the catalog knows it"
        assert site.images.total() == 1
