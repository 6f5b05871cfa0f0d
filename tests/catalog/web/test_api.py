"""SQL over HTTP against a real server."""

import csv
import io
import json
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from catalog import Workspace, open_catalog, rows, write_segment
from catalog.tables.questions import QUESTIONS
from tests import factories
from tests.catalog.pictures import MOMENT, bring
from tests.catalog.web.serving import Server, serving

BODY = factories.jpeg(size=(320, 200))
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture(scope="module")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    target = tmp_path_factory.mktemp("api") / "home"
    shutil.copytree(empty_home, target)
    workspace = Workspace.at(target)
    bring(workspace, range(5))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    images = [("a" * 64, BODY), ("b" * 64, SVG), ("c" * 64, BODY[:2000])]
    mimes = ["image/jpeg", "image/svg+xml", "image/jpeg"]
    assets = [
        {"sha256": sha, "bytes": len(body), "mime": mime, "first_seen": MOMENT}
        for (sha, body), mime in zip(images, mimes, strict=True)
    ]
    write_segment(workspace, {"assets": rows("assets", assets)}, job="crawl:b", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return workspace


@pytest.fixture(scope="module")
def server(home: Workspace) -> Iterator[Server]:
    with serving(
        home.home, timeout_s=20, max_rows=1_000, max_result_mb=2, memory_mb=512
    ) as started:
        yield started


def test_a_statement_runs_and_its_rows_are_paged_and_sorted(server: Server) -> None:
    done = server.query("SELECT photo_id, source FROM photos ORDER BY photo_id")
    assert (done["state"], done["n_rows"], done["truncated"], done["error"]) == (
        "done",
        5,
        False,
        None,
    )
    assert done["columns"] == [
        {"name": "photo_id", "type": "VARCHAR"},
        {"name": "source", "type": "VARCHAR"},
    ]
    assert done["snapshot_id"] > 0
    address = f"/api/queries/{done['query_id']}/rows"
    assert server.get(f"{address}?offset=1&limit=2").json["rows"] == [
        ["p1", "test"],
        ["p2", "test"],
    ]
    last = server.get(f"{address}?order_by=photo_id&descending=true&limit=1").json
    assert last["rows"] == [["p4", "test"]]
    assert last["n_rows"] == 5
    assert server.get(f"{address}?offset=9").json["rows"] == []
    assert server.get(f"{address}?order_by=nope").status == 422


def test_values_that_json_cannot_say_are_text(server: Server) -> None:
    sql = (
        "SELECT 9007199254740993 AS big, 1.50::DECIMAL(9,2) AS price, TIMESTAMP '2026-01-02 03:04:05.25' AS at, "
        "'nan'::DOUBLE AS nan, 'infinity'::DATE AS never, [1, 9007199254740993] AS list, "
        "{'a': NULL} AS struct, sum(1) AS total, 'x'::BLOB AS blob, NULL AS nothing"
    )
    assert server.rows(sql) == [
        [
            "9007199254740993",
            "1.50",
            "2026-01-02T03:04:05.25",
            "nan",
            "infinity",
            [1, "9007199254740993"],
            {"a": None},
            1,
            "x",
            None,
        ]
    ]


def test_parameters_and_past_snapshots(server: Server) -> None:
    assert server.rows("SELECT $n::INTEGER + 1, $tags", parameters={"n": 1, "tags": ["a"]}) == [
        [2, ["a"]]
    ]
    first = server.get("/api/snapshots").json[-1]["snapshot_id"]
    snapshots = server.get("/api/snapshots").json
    assert [s["snapshot_id"] for s in snapshots] == sorted(
        (s["snapshot_id"] for s in snapshots), reverse=True
    )
    made = next(s["snapshot_id"] for s in snapshots if "tables and views" in s["message"])
    assert server.rows("SELECT count(*) FROM photos", as_of=made) == [[0]]
    assert first <= made
    missing = server.query("SELECT 1", as_of=10_000)
    assert (missing["state"], missing["kind"]) == ("failed", "snapshot_not_found")


def test_downloads_hold_the_same_rows_in_every_format(server: Server) -> None:
    sql = "SELECT i AS n, 'name ' || i AS name, [i] AS list, i / 2 AS half FROM range(700) t(i) ORDER BY i"
    done = server.query(sql)
    files = {
        style: server.get(f"/api/queries/{done['query_id']}/result.{style}")
        for style in ("json", "csv", "arrow", "parquet")
    }
    expected = pl.DataFrame(json.loads(files["json"].body))
    assert expected.height == 700
    assert pa.ipc.open_file(files["arrow"].body).read_all().to_pylist() == expected.to_dicts()
    assert pq.read_table(io.BytesIO(files["parquet"].body)).to_pylist() == expected.to_dicts()
    lines = list(csv.DictReader(io.StringIO(files["csv"].body.decode())))
    assert [(int(line["n"]), line["name"], json.loads(line["list"])) for line in lines] == [
        (row["n"], row["name"], row["list"]) for row in expected.to_dicts()
    ]
    assert all(
        answer.headers["content-disposition"].startswith("attachment") for answer in files.values()
    )
    assert all(answer.headers["x-content-type-options"] == "nosniff" for answer in files.values())


def test_a_csv_runs_no_formula_unless_the_exact_text_is_asked_for(server: Server) -> None:
    done = server.query("SELECT '=1+1' AS a, '-1.5' AS b, '@x' AS c, -1 AS d")
    address = f"/api/queries/{done['query_id']}/result.csv"
    assert server.get(address).body == b"a,b,c,d\n'=1+1,-1.5,'@x,-1\n"
    assert server.get(f"{address}?exact=true").body == b"a,b,c,d\n=1+1,-1.5,@x,-1\n"


def test_a_csv_guards_texts_of_every_type(server: Server) -> None:
    done = server.query(
        "SELECT '=1'::ENUM('=1') AS e, '=1'::BLOB AS b, ['a;=1'] AS l, '-inf'::DOUBLE AS d, chr(10) || '=1' AS n, "
        '1 AS "=c"'
    )
    body = server.get(f"/api/queries/{done['query_id']}/result.csv").body.decode()
    assert list(csv.reader(io.StringIO(body))) == [
        ["e", "b", "l", "d", "n", "'=c"],
        ["'=1", "'=1", '["a;\'=1"]', "-inf", "'\n'=1", "1"],
    ]


def test_an_empty_result_has_columns_and_no_rows(server: Server) -> None:
    done = server.query("SELECT photo_id FROM photos WHERE false")
    address = f"/api/queries/{done['query_id']}"
    assert server.get(f"{address}/rows").json["rows"] == []
    assert server.get(f"{address}/result.json").json == []
    assert server.get(f"{address}/result.csv").body == b"photo_id\n"
    assert pq.read_table(io.BytesIO(server.get(f"{address}/result.parquet").body)).num_rows == 0
    assert server.get(f"{address}/summary").json["rows"][0][0] == "photo_id"


def test_a_summary_describes_every_column(server: Server) -> None:
    done = server.query("SELECT i, i * 2 AS j FROM range(11) t(i)")
    summary = server.get(f"/api/queries/{done['query_id']}/summary").json
    by_name = {row[0]: dict(zip(summary["columns"], row, strict=True)) for row in summary["rows"]}
    assert (by_name["j"]["min"], by_name["j"]["max"], by_name["j"]["count"]) == ("0", "20", 11)


def test_a_summary_bears_values_that_have_no_mean(server: Server) -> None:
    done = server.query(
        "FROM (VALUES (1.0::DOUBLE, 'a', 1e308), ('inf'::DOUBLE, 'b', -1e308), (NULL, 'c', 0), (2, 'd', 0)) t(x, y, z)"
    )
    answer = server.get(f"/api/queries/{done['query_id']}/summary")
    assert answer.status == 200
    columns = answer.json["columns"]
    by_name = {row[0]: dict(zip(columns, row, strict=True)) for row in answer.json["rows"]}
    assert list(by_name) == ["x", "y", "z"]
    assert [by_name["x"][name] for name in ("min", "q50", "max", "std")] == [
        "1.0",
        "2.0",
        "inf",
        None,
    ]
    assert float(by_name["x"]["null_percentage"]) == 25
    assert (by_name["y"]["max"], by_name["y"]["count"]) == ("d", 4)
    assert float(by_name["z"]["max"]) == 1e308


def test_a_running_statement_can_be_cancelled(server: Server) -> None:
    slow = {"sql": "SELECT count(*) FROM range(1000000000) a, range(1000000) b"}
    query_id = server.ask("POST", "/api/queries", slow).json["query_id"]
    assert server.get(f"/api/queries/{query_id}?wait_s=0.2").json["state"] == "running"
    assert server.get(f"/api/queries/{query_id}/rows").status == 409
    started = time.monotonic()
    assert server.ask("DELETE", f"/api/queries/{query_id}").json["state"] == "cancelled"
    assert time.monotonic() - started < 2
    assert server.get(f"/api/queries/{query_id}").json["kind"] == "cancelled"


def test_errors_are_sentences(server: Server) -> None:
    wrong = server.query("SELECT * FROM photoz")
    assert wrong["state"] == "failed"
    assert "photoz" in wrong["error"]
    assert "\n" not in wrong["error"]
    refused = server.query("DROP TABLE photos")
    assert (refused["state"], refused["kind"]) == ("failed", "refused")
    assert "exactly one SELECT" in refused["error"]
    assert server.get(f"/api/queries/{refused['query_id']}/result.csv").status == 409
    for body in (
        b"[]",
        b"{",
        b'{"sql": 1}',
        b'{"sql": "SELECT 1", "max_rows": 0}',
        b'{"sql": "\\ud800"}',
    ):
        answer = server.ask("POST", "/api/queries", body, {"Content-Type": "application/json"})
        assert answer.status == 400
        assert set(answer.json) == {"error", "kind"}
    assert server.get("/api/queries/unknown").status == 404
    assert server.get("/api/nothing").json["kind"] == "not_found"


def test_the_schema_says_what_columns_mean(server: Server) -> None:
    tables = {table["name"]: table for table in server.get("/api/schema").json}
    assert tables["v_photos"]["kind"] == "view"
    columns = {column["name"]: column for column in tables["exif"]["columns"]}
    assert columns["f_number"] == {
        "name": "f_number",
        "type": "DOUBLE",
        "comment": "aperture as N in f/N",
    }


def test_limits_say_which_walls_hold(server: Server) -> None:
    limits = server.get("/api/limits").json
    assert limits["limits"]["max_rows"] == 1_000
    assert limits["sandbox"]["settings_are_locked"] is True
    assert limits["sandbox"]["files_cannot_be_written"] is True


def test_questions_are_listed_saved_and_deleted(server: Server, home: Workspace) -> None:
    shipped = [question["name"] for question in server.get("/api/questions").json]
    assert shipped[: len(QUESTIONS)] == list(QUESTIONS)
    mine = {
        "title": "How many\nof $source?",
        "sql": "SELECT count(*) FROM photos WHERE source = $source",
    }
    saved = server.ask("PUT", "/api/questions/how-many", mine).json
    assert saved["parameters"] == [{"name": "source", "about": "", "default": None}]
    assert (home.home / "queries" / "how-many.sql").read_text().splitlines()[
        0
    ] == "-- title: How many of $source?"
    assert server.get("/api/questions").json[-1]["name"] == "how-many"
    assert server.ask("DELETE", "/api/questions/how-many").status == 204
    assert server.ask("DELETE", "/api/questions/how-many").status == 404
    assert server.ask("DELETE", f"/api/questions/{shipped[0]}").status == 409
    assert server.ask("PUT", f"/api/questions/{shipped[0]}", mine).status == 409
    assert server.ask("PUT", "/api/questions/..%2Fevil", mine).status in (400, 404)


def test_every_shipped_question_runs_in_the_sandbox(server: Server) -> None:
    for question in QUESTIONS.values():
        parameters = {parameter.name: parameter.default for parameter in question.parameters}
        done = server.query(question.sql, parameters=parameters)
        assert done["state"] == "done", (question.name, done["error"])


def test_pictures_and_their_thumbnails(server: Server) -> None:
    original = server.get(f"/api/assets/{'a' * 64}")
    assert original.body == BODY
    assert original.headers["content-type"] == "image/jpeg"
    small = server.get(f"/api/assets/{'a' * 64}/thumbnail?side=64")
    picture = Image.open(io.BytesIO(small.body))
    assert (picture.format, picture.size) == ("WEBP", (64, 40))
    assert "no-cache" in small.headers["cache-control"]
    assert server.get(f"/api/assets/{'c' * 64}/thumbnail").status == 422
    assert server.get(f"/api/assets/{'f' * 64}").status == 404
    assert server.get(f"/api/assets/{'f' * 64}/thumbnail").status == 404
    assert server.get("/api/assets/..%2f..%2fsafelight.toml").status == 404


def test_a_file_that_runs_scripts_is_a_download(server: Server) -> None:
    response = server.get(f"/api/assets/{'b' * 64}")
    assert response.body == SVG
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in response.headers["content-security-policy"]


@pytest.mark.slow
def test_every_statement_is_on_record_at_once_and_a_row_after_the_next_commit(
    empty_home: Path, tmp_path: Path
) -> None:
    shutil.copytree(empty_home, tmp_path / "home")
    workspace = Workspace.at(tmp_path / "home")
    trail = workspace.logs / "queries.jsonl"
    with serving(workspace.home) as server:
        server.rows("SELECT $a AS a", parameters={"a": 1})
        server.query("DROP TABLE photos")
        lines = [json.loads(line) for line in trail.read_text().splitlines()]
        assert [line["outcome"] for line in lines] == ["done", "refused"]
        assert stat.S_IMODE(trail.stat().st_mode) == 0o600
        results = list((workspace.home / "cache" / "results").iterdir())
        assert [path.suffix for path in results] == [".arrow"]
    assert list((workspace.home / "cache" / "results").iterdir()) == []
    assert list((workspace.lake / "frozen").iterdir()) == []
    with open_catalog(workspace) as catalog:
        assert catalog.commit() == {"queries": 2}
        records = catalog.records("SELECT * FROM queries ORDER BY asked_at")
    assert [row["sql"] for row in records] == ["SELECT $a AS a", "DROP TABLE photos"]
    assert (records[0]["asked_by"], records[0]["client"], records[0]["n_rows"]) == (
        "local",
        "127.0.0.1",
        1,
    )
    assert json.loads(str(records[0]["parameters_json"])) == {"a": 1}


_RUN = "from schemathesis.cli import schemathesis; schemathesis()"
# 422 is for what a schema cannot know, such as the columns of a result that `order_by` may name.
_CHECKS = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429, "5xx"]
"""


def fuzz(server: Server, folder: Path, *options: str) -> str:
    """Run schemathesis by the API's own description; return what it says, shortened, or nothing when all is well."""
    address = f"http://127.0.0.1:{server.port}/api/openapi.json"
    (folder / "schemathesis.toml").write_text(_CHECKS)
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "run", address, "--no-color", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    output = "\n".join(line[:300] for line in done.stdout.splitlines())
    return "" if done.returncode == 0 else output[-8_000:] + done.stderr[-2_000:]


@pytest.mark.long
def test_a_short_fuzz_finds_nothing(server: Server, tmp_path: Path) -> None:
    options = ("--phases=coverage,stateful", "--checks=all", "--max-examples=2", "--max-time=5")
    failures = fuzz(server, tmp_path, "--generation-deterministic", *options)
    assert not failures, failures
    assert server.rows("SELECT count(*) FROM photos", timeout_s=20) == [[5]]


# Stateful by itself: it comes last, and what went before would leave it no time.
@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize(
    ("phases", "seconds"), [("examples,coverage,fuzzing", 150), ("stateful", 90)]
)
def test_a_long_fuzz_finds_nothing(
    server: Server, tmp_path: Path, phases: str, seconds: int
) -> None:
    # DELETE cancels a query, which can still be read: that is no use after free.
    checks = ("--checks=all", "--exclude-checks=use_after_free")
    bounds = (f"--phases={phases}", "--max-examples=100", f"--max-time={seconds}")
    failures = fuzz(server, tmp_path, *checks, *bounds)
    assert not failures, failures
    assert server.rows("SELECT count(*) FROM photos", timeout_s=20) == [[5]]


def test_a_new_home_and_one_that_only_pulls_are_served(tmp_path: Path) -> None:
    with serving(tmp_path / "new") as started:
        assert started.rows("SELECT count(*) FROM photos") == [[0]]
        assert json.loads(started.get("/releases/index.json").body)["releases"] == []


def test_nothing_is_said_to_be_served_when_it_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "catalog.sqlite").mkdir()  # no file can be there
    command = [sys.executable, "-m", "safelight", "--home", str(tmp_path), "serve", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: the catalog cannot be opened")
