"""What a statement could read if nobody looked at it first: no path of the workspace, no setting, no secret.

The check of statements is switched off here. What the walls behind it let a statement read is all that it can tell.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from catalog.sandbox.sql.copies import FrozenCopies
from catalog.sandbox.sql.neutral_folder import NeutralFolder
from tests.catalog.pictures import bring
from tests.catalog.sandbox.running import Sandbox, sandbox_of

SECRET = "the-canary-sings-at-4-am"
UNLOOKED = ("statements",)

INSIDE = """
SELECT * FROM duckdb_databases()
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_secrets(redact => false)
SELECT * FROM duckdb_logs
SELECT * FROM duckdb_variables()
SELECT * FROM duckdb_extensions()
SELECT * FROM duckdb_views()
SELECT * FROM duckdb_tables()
SELECT * FROM duckdb_functions() WHERE NOT internal
SELECT * FROM duckdb_external_file_cache()
SELECT * FROM duckdb_temporary_files()
SELECT * FROM duckdb_memory()
SELECT * FROM duckdb_prepared_statements()
SELECT * FROM sqlite_master
SELECT * FROM pg_catalog.pg_settings
SELECT * FROM pg_catalog.pg_views
SELECT * FROM information_schema.views
SELECT * FROM which_secret('s3://bucket/x', 's3')
PRAGMA database_list
SHOW DATABASES
SHOW ALL TABLES
SHOW VARIABLES
SELECT current_setting('allowed_directories')
SELECT current_setting('allowed_paths')
SELECT current_setting('secret_directory')
SELECT current_setting('extension_directory')
SELECT current_setting('extension_directories')
SELECT current_setting('home_directory')
SELECT current_setting('temp_directory')
SELECT current_setting('custom_user_agent')
SELECT getenv('HOME')
SELECT getenv('SAFELIGHT_CANARY')
SELECT current_query()
FROM ducklake_settings('lake')
FROM ducklake_options('lake')
FROM ducklake_list_files('lake', 'photos')
FROM ducklake_table_info('lake')
FROM ducklake_snapshots('lake')
FROM lake.settings()
FROM lake.options()
FROM lake.snapshots()
SELECT DISTINCT filename FROM photos
SELECT DISTINCT filename FROM assets
SELECT DISTINCT filename, file_row_number FROM exif
EXPLAIN FROM photos
EXPLAIN ANALYZE FROM photos
EXPLAIN (ANALYZE, FORMAT json) FROM v_photos
EXPLAIN (FORMAT json) SELECT count(*) FROM photos
FROM glob('*')
FROM glob('**')
FROM glob('../*')
FROM glob('./*')
FROM glob('/proc/self/*')
FROM glob('/proc/self/fd/*')
FROM glob('{data}*')
FROM glob('{data}**')
SELECT filename FROM read_text('{data}../../safelight.toml')
SELECT content FROM read_text('safelight.toml')
FROM read_text('{home}/safelight.toml')
FROM read_text('/proc/self/environ')
FROM read_text('/proc/self/cmdline')
FROM read_text('/proc/self/maps')
FROM read_text('/proc/self/mountinfo')
FROM read_blob('{home}/frontier.sqlite')
FROM read_csv('{data}main/photos/*.parquet')
FROM parquet_metadata('{data}main/photos/*.parquet')
FROM parquet_kv_metadata('{data}main/photos/*.parquet')
FROM read_parquet('{data}**/*.parquet', filename => true, union_by_name => true) LIMIT 1
FROM read_parquet('{data}nothing/*.parquet')
FROM sqlite_scan('{home}/lake/catalog.sqlite', 'ducklake_metadata')
FROM '{home}/safelight.toml'
FROM query('FROM duckdb_databases()')
COPY photos TO '{data}stolen.csv'
COPY photos TO 'stolen.csv'
EXPORT DATABASE '{data}stolen'
IMPORT DATABASE '{home}'
IMPORT DATABASE '{data}'
LOAD '{home}/safelight.toml'
INSTALL httpfs
ATTACH 'stolen.db' AS stolen
ATTACH '{data}stolen.db' AS stolen
CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')
CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')
SET temp_directory = '/tmp'
INSERT INTO photos SELECT * FROM photos
CALL ducklake_cleanup_old_files('lake', cleanup_all => true)
CALL ducklake_expire_snapshots('lake', older_than => now())
CALL enable_logging()
PRAGMA enable_profiling
SELECT error('x')
SELECT 1 / 'x'
FROM photos AT (VERSION => 100000)
FROM no_such_table
""".strip().split("\n")


@pytest.fixture(scope="module")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    target = tmp_path_factory.mktemp("untold-place") / "home"
    shutil.copytree(empty_home, target)
    workspace = Workspace.at(target)
    (target / "safelight.toml").write_text(f'[crawl]\nuser_agent = "{SECRET}"\n')
    for n in range(3):
        bring(workspace, range(10 * n, 10 * n + 10), job=f"crawl:{n}")
        with open_catalog(workspace) as catalog:
            catalog.commit()
    return workspace


@pytest.fixture(scope="module")
def sandbox(home: Workspace) -> Iterator[Sandbox]:
    os.environ["SAFELIGHT_CANARY"] = SECRET
    try:
        with sandbox_of(home) as started:
            yield started
    finally:
        del os.environ["SAFELIGHT_CANARY"]


def told(sandbox: Sandbox, sql: str, as_of: int | None = None) -> str:
    """Give all that a statement says, without what its sender wrote himself."""
    outcome, body = sandbox.ask(sql, without=UNLOOKED, as_of=as_of)
    said = f"{outcome.error} {outcome.report} {body!r}"
    return said.replace(sql, "")


def places(home: Workspace) -> dict[str, str]:
    return {"home": str(home.home), "data": str(home.lake / "data") + "/"}


def leaks(said: str, sql: str, home: Workspace) -> list[str]:
    """Name what must not be told: paths of the workspace or the user, and secrets; not what the sender named."""
    kept = [str(home.home), str(home.home.parent.name), str(Path.home()), "/site-packages", SECRET]
    return [one for one in kept if one in said and one not in sql]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "step", [pytest.param(3, id="a third"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def test_a_statement_that_nobody_looked_at_tells_no_place_and_no_secret(
    sandbox: Sandbox, home: Workspace, step: int
) -> None:
    found = {}
    for template in INSIDE[::step]:
        sql = template
        for name, value in places(home).items():
            sql = sql.replace(f"{{{name}}}", value)
        if leaked := leaks(told(sandbox, sql), sql, home):
            found[template] = leaked
    assert found == {}


def test_no_table_of_the_frozen_catalog_holds_a_place_or_a_secret(
    sandbox: Sandbox, home: Workspace
) -> None:
    assert sandbox.rows("SELECT count(*) FROM photos") == [(30,)]
    (copy,) = (home.lake / "frozen").glob("*/*/catalog.sqlite")
    with closing(sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True)) as database:
        names = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
    assert "ducklake_metadata" in names
    for name in names:
        sql = f"SELECT t::VARCHAR FROM __ducklake_metadata_lake.{name} AS t"
        assert leaks(told(sandbox, sql), sql, home) == [], name
    body = copy.read_bytes()
    assert str(home.home).encode() not in body
    assert SECRET.encode() not in body


def test_past_snapshots_tell_as_little(sandbox: Sandbox, home: Workspace) -> None:
    for sql in (
        "SELECT DISTINCT filename FROM photos",
        "FROM duckdb_databases()",
        "FROM lake.settings()",
    ):
        assert leaks(told(sandbox, sql, as_of=2), sql, home) == [], sql


def test_a_place_in_the_temporary_folder_goes_with_its_server(
    home: Workspace, tmp_path: Path
) -> None:
    copies = FrozenCopies(home)
    place = Path(copies.newest().place)
    assert sorted(path.name for path in place.iterdir() if path.is_symlink()) == ["data", "frozen"]
    left = home.lake / "frozen" / "killed"
    left.mkdir()
    (left / "lock").touch()
    abandoned = NeutralFolder(left, {"data": tmp_path})
    FrozenCopies(home).close()
    assert not abandoned.path.exists()
    assert tmp_path.exists()
    assert place.exists()
    copies.close()
    assert not place.exists()
    assert (home.lake / "data").is_dir()


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_text('{}')",
        "FROM read_blob('{}')",
        "FROM '{}.csv'",
        "FROM glob('{}')",
        "FROM sqlite_scan('{}', 'x')",
        "IMPORT DATABASE '{}'",
        "ATTACH '{}' AS x",
        "ATTACH '{}' AS x (TYPE sqlite)",
        "LOAD '{}.duckdb_extension'",
        "COPY photos FROM '{}'",
    ],
)
def test_no_statement_tells_whether_a_file_is_there(
    sandbox: Sandbox, home: Workspace, sql: str
) -> None:
    for end in ("", ".csv", ".duckdb_extension"):
        (home.home / f"there{end}").write_text("x")
    (home.home / "there").unlink(missing_ok=True)
    (home.home / "there").mkdir()
    (home.home / "there" / "schema.sql").write_text(f"{SECRET};")
    said = {}
    for name in ("there", "gone!"):
        path = str(home.home / name)
        said[name] = told(sandbox, sql.format(path)).replace(path, "").replace(name, "")
    shutil.rmtree(home.home / "there")
    assert said["there"] == said["gone!"]


@pytest.mark.slow
def test_keys_of_a_bucket_are_not_told(in_bucket: Workspace) -> None:
    bring(in_bucket, range(3))
    with open_catalog(in_bucket) as catalog:
        catalog.commit()
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    with sandbox_of(in_bucket) as sandbox:
        assert sandbox.rows("SELECT count(*) FROM photos") == [(3,)]
        for sql in (
            "FROM duckdb_secrets()",
            "FROM duckdb_secrets(redact => false)",
            "SET allow_unredacted_secrets = true",
            "FROM duckdb_settings()",
            "FROM which_secret('s3://x', 's3')",
            "FROM duckdb_databases()",
            "FROM duckdb_logs",
        ):
            said = told(sandbox, sql)
            assert secret not in said, sql
            assert str(in_bucket.home) not in said, sql
