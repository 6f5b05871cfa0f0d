import hashlib
from itertools import islice

import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from crawler.commands.crawl import crawl as command
from crawler.errors import CrawlError
from crawler.session.crawl import crawl
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import GeneratedFacesSource
from crawler.sources.generated_faces import PAGE
from tests.factories import jpeg
from tests.fakes.faces_site import FacesSite
from tests.real_data import members, needs

FACES = [jpeg(None, None, None, make=None, model=None, seed=seed) for seed in range(4)]


@pytest.fixture(autouse=True)
def contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


def run(workspace: Workspace, source: GeneratedFacesSource) -> CrawlSummary:
    return crawl(workspace, source, CrawlSettings(unit_s=0.2))


def test_draws_end_after_repeats_and_each_face_is_one_photo(workspace: Workspace) -> None:
    with FacesSite([*FACES[:2], FACES[0], *FACES[2:]]) as site:
        source = GeneratedFacesSource(site.url + "/", limit=60, stop_after_repeats=6)
        summary = run(workspace, source)
        drawn = site.drawn
        again = run(workspace, source)
        assert site.drawn == drawn  # the same order has the same draws
    assert summary.status == "finished"
    assert 5 + 6 <= drawn <= 5 + 6 + 2 * PAGE
    assert summary.rows["photos"] == summary.rows["assets"] == 4
    assert {name for name, n in again.rows.items() if n} == {"crawls"}
    with open_catalog(workspace) as catalog:
        photos = catalog.records("SELECT * FROM photos")
        outcomes = catalog.records("SELECT outcome, count(*) AS n FROM fetches GROUP BY ALL")
        labels = catalog.records("SELECT DISTINCT task, value, label_source FROM labels")
    assert {photo["source_photo_id"] for photo in photos} == {
        hashlib.sha256(face).hexdigest() for face in FACES
    }
    assert {(photo["synthetic"], photo["generator"]) for photo in photos} == {(True, "StyleGAN2")}
    assert {photo["training_allowed"] for photo in photos} == {False}
    assert {row["outcome"]: row["n"] for row in outcomes} == {"done": 4, "repeat": drawn - 4}
    assert labels == [{"task": "real_or_fake", "value": "fake", "label_source": "dataset"}]


def test_the_limit_bounds_the_draws(workspace: Workspace) -> None:
    with FacesSite(FACES) as site:
        summary = run(workspace, GeneratedFacesSource(site.url + "/", limit=3))
        assert (summary.done, site.drawn) == (3, 3)
        # A larger order draws anew; what is known is a repeat.
        site.drawn = 0
        more = run(workspace, GeneratedFacesSource(site.url + "/", limit=4))
    assert more.rows["photos"] == 1


def test_an_endpoint_that_only_fails_is_left_alone(workspace: Workspace) -> None:
    with FacesSite([None]) as site:
        summary = run(workspace, GeneratedFacesSource(site.url + "/", limit=500))
        assert site.drawn <= 30
    assert (summary.status, summary.done) == ("failed", 0)
    assert "draws failed" in summary.problem


def test_one_request_a_second_at_most() -> None:
    source = GeneratedFacesSource()
    assert source.adjust(CrawlSettings()).rate == 1
    assert source.adjust(CrawlSettings(rate=0.2)).rate == 0.2
    assert source.adjust(CrawlSettings()).per_host == 1


def test_an_endpoint_must_be_an_address() -> None:
    with pytest.raises(CrawlError, match="not an HTTP address"):
        GeneratedFacesSource("faces").check()


@needs("realfake/realfake.tar")
def test_recorded_faces_are_drawn_once_each(workspace: Workspace) -> None:
    faces = [body for name, body in members("realfake/realfake.tar") if name.startswith("tpdne")]
    some = list(islice(faces, 30))
    with FacesSite(some) as site:
        source = GeneratedFacesSource(site.url + "/", limit=40, stop_after_repeats=5)
        summary = run(workspace, source)
    assert summary.rows["photos"] == len({hashlib.sha256(face).digest() for face in some})
    assert summary.failed == 0


def test_the_command_plans_and_runs(workspace: Workspace) -> None:
    with FacesSite(FACES) as site:
        words = ["generated-faces", "--endpoint", f"{site.url}/", "--limit", "4"]
        plan = CliRunner().invoke(command, ["plan", *words])
        assert plan.output == "4 draws at most, 0.0 hours at one request a second\n"
        done = CliRunner().invoke(
            command, ["run", *words, "--generator", "own", "--home", str(workspace.home)]
        )
    assert done.exit_code == 0, done.output
    with open_catalog(workspace) as catalog:
        assert catalog.records("SELECT DISTINCT generator FROM photos") == [{"generator": "own"}]
