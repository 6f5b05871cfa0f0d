"""What pages show is what the tables hold, and the SQL beside it finds the same rows."""

import pytest

from catalog import AssetNotFoundError, Catalog, ReleaseNotFoundError
from catalog.errors import NoSuchCrawlError
from catalog.web.sections.crawls import count_yields, find_crawl, list_crawls
from catalog.web.sections.datasets import compare_versions, find_dataset, list_datasets
from catalog.web.sections.picture import SECTIONS, Picture, find_picture, raw_exif, typed_exif
from catalog.web.sections.section import query_sections
from tests.catalog.web.made_home import COPY_OF_TURNED, CRAWL, HOSTILE, SHAS, TURNED, N


@pytest.fixture(scope="module")
def picture(tables: Catalog) -> Picture:
    return find_picture(tables, SHAS[TURNED])


def test_a_picture_has_everything_the_tables_know(picture: Picture) -> None:
    counts = {name: len(section.rows) for name, section in picture.sections.items()}
    assert counts | {"asset": 1, "photos": 1, "exif": 1, "labels": 2, "faces": 1} == counts
    assert counts | {"lineage": 1, "duplicates": 2, "decisions": 0, "releases": 0} == counts
    assert picture.title == HOSTILE
    assert picture.size_px == (64, 96), "stored 96 x 64, turned by the EXIF orientation"


def test_a_released_picture_names_its_releases_and_predictions(tables: Catalog) -> None:
    statements = {name: SECTIONS[name] for name in ("releases", "predictions", "curated")}
    sections = query_sections(tables, statements, [SHAS[7]])
    assert [(r["version"], r["split"]) for r in sections["releases"].rows] == [
        ("1.1.0", "test"),
        ("1.0.0", "test"),
    ]
    assert sections["predictions"].rows[0]["probabilities"] == [0.7, 0.2, 0.1]
    assert sections["curated"].rows[0]["split"] == "test"


def test_a_dropped_copy_names_reason_evidence_and_keeper(tables: Catalog) -> None:
    statements = {name: SECTIONS[name] for name in ("decisions", "duplicates")}
    sections = query_sections(tables, statements, [SHAS[COPY_OF_TURNED]])
    assert sections["decisions"].rows[0]["evidence"] == SHAS[TURNED]
    assert [row["asset_sha256"] for row in sections["duplicates"].rows] == [SHAS[0], SHAS[1]]
    assert [row["is_keeper"] for row in sections["duplicates"].rows] == [True, False]


def test_the_sql_of_each_section_finds_its_rows(tables: Catalog, picture: Picture) -> None:
    for name, section in picture.sections.items():
        assert tables.records(section.sql) == section.rows, name
    crawl = find_crawl(tables, CRAWL)
    for name, section in crawl.sections.items():
        assert tables.records(section.sql) == section.rows, name


def test_values_cannot_leave_their_literal(tables: Catalog) -> None:
    with pytest.raises(AssetNotFoundError, match="no picture has"):
        find_picture(tables, "' OR 1 = 1 --")
    with pytest.raises(NoSuchCrawlError, match="crawl status"):
        find_crawl(tables, "' OR 1 = 1 --")


def test_exif_is_typed_and_raw_on_demand(picture: Picture) -> None:
    row = picture.sections["exif"].rows[0]
    assert dict(typed_exif(row))["f_number"] == 2.8
    assert "lens" not in dict(typed_exif(row)), "what is missing is not listed"
    assert raw_exif(row) == [("EXIF FNumber", "14/5"), ("Image Make", "Acme")]
    assert raw_exif({"raw_json": "[1]"}) == raw_exif({"raw_json": "{"}) == []


def test_a_crawl_has_its_funnel_errors_and_failures(tables: Catalog) -> None:
    crawl = find_crawl(tables, CRAWL)
    funnel = {row["name"]: row["n"] for row in crawl.sections["funnel"].rows}
    assert funnel == {
        "addresses requested": N + 5,
        "with a response": N + 5,
        "fetched": N,
        "distinct files": N,
        "readable header": N,
        "with a camera setting": N,
    }
    (errors,) = crawl.sections["errors"].rows
    assert (errors["host"], errors["error"], errors["photos"]) == ("broken.example", "http_404", 5)
    assert len(crawl.sections["failures"].rows) == 5
    assert crawl.config == {"addresses": "list.csv"}


def test_the_list_of_crawls_counts_sessions_and_yields(tables: Catalog) -> None:
    assert [row["n_done"] for row in list_crawls(tables).rows] == [N]
    (source,) = count_yields(tables).rows
    assert (source["listed"], source["distinct_files"], source["with_settings"]) == (N, N, N)


def test_datasets_are_listed_newest_first_with_revocations(tables: Catalog) -> None:
    listed = list_datasets(tables)
    assert [entry.release.version for entry in listed] == ["1.1.0", "1.0.0"]
    assert listed[0].revocation is None
    assert listed[1].revocation is not None
    assert listed[1].revocation["successor"] == "1.1.0"
    assert listed[0].bytes == sum(
        path.stat().st_size for path in listed[0].release.path.glob("data/*.parquet")
    )


def test_a_release_shows_samples_of_each_class(tables: Catalog) -> None:
    dataset = find_dataset(tables, "cameras", "1.0.0")
    assert dataset.versions == ["1.1.0", "1.0.0"]
    assert dataset.samples["iso"] == {
        name: sorted(SHAS[n] for n in range(3, 15) if n % 3 == number)
        for number, name in enumerate(("low", "medium", "high"))
    }
    assert dataset.card.startswith("# cameras 1.0.0"), "without its front matter"
    assert len(tables.query(dataset.items_sql)) == 12
    assert len(dataset.shares) == len(dataset.stats.rows) > 0
    with pytest.raises(ReleaseNotFoundError):
        find_dataset(tables, "cameras", "9.9.9")


def test_the_difference_of_two_versions_is_exact(tables: Catalog) -> None:
    changes = {
        change.name: change
        for change in compare_versions(tables, "cameras", "1.0.0", "1.1.0").changes
    }
    assert {name: change.n for name, change in changes.items()} == {
        "added": N - 15,
        "removed": 2,
        "changed split": 1,
        "changed label": 1,
    }
    assert [p["asset_sha256"] for p in changes["removed"].pictures] == sorted(SHAS[3:5])
    (moved,) = changes["changed split"].pictures
    assert (moved["asset_sha256"], moved["split_old"], moved["split_new"]) == (
        SHAS[6],
        "validation",
        "train",
    )
    (labelled,) = changes["changed label"].pictures
    assert (labelled["asset_sha256"], labelled["labels"]) == (SHAS[7], [("iso", "medium", "low")])
    assert changes["added"].by_class["iso"] == {"low": 3, "medium": 3, "high": 3, "missing": 0}


def test_a_difference_turned_round_turns_added_into_removed(tables: Catalog) -> None:
    there = compare_versions(tables, "cameras", "1.0.0", "1.1.0")
    back = compare_versions(tables, "cameras", "1.1.0", "1.0.0")
    n_there, n_back = ({c.name: c.n for c in way.changes} for way in (there, back))
    assert (n_there["added"], n_there["removed"]) == (n_back["removed"], n_back["added"])
    assert there.same == back.same == 10
    sql_rows = tables.records(there.sql)
    assert sum(row["change"] == "added" for row in sql_rows) == n_there["added"]
