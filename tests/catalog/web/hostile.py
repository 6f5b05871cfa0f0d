"""Statements that must not get what they want. Names in {} are filled in by the test.

{text}, {csv}, {parquet}, {sqlite}: files outside the workspace, each with a secret in it
{frontier}: a SQLite file inside the workspace that statements have no business with
{catalog}: the live catalog; {data}: the folder of the lake's data; {out}: a folder to write to; {port}: an HTTP server;
{home}: the workspace
"""

FILES = """
SELECT * FROM read_text('{text}')
SELECT content FROM read_blob('{text}')
SELECT * FROM read_csv('{csv}')
SELECT * FROM read_csv_auto('{csv}')
SELECT * FROM '{csv}'
SELECT * FROM "{parquet}"
SELECT * FROM read_parquet('{parquet}')
SELECT * FROM parquet_metadata('{parquet}')
SELECT * FROM read_json('{text}')
SELECT * FROM read_json_objects('{text}')
SELECT * FROM read_ndjson_auto('{text}')
SELECT * FROM sniff_csv('{csv}')
SELECT * FROM glob('/etc/*')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_text('/proc/self/environ')
SELECT * FROM read_text('/proc/self/maps')
SELECT * FROM read_text('{data}/../catalog.sqlite')
SELECT * FROM read_blob('{data}/../../../{text}')
DESCRIBE SELECT * FROM read_text('{text}')
SUMMARIZE FROM read_csv('{csv}')
SELECT (SELECT content FROM read_text('{text}'))
WITH t AS MATERIALIZED (FROM read_text('{text}')) SELECT * FROM t
SELECT * FROM sqlite_scan('{sqlite}', 'secrets')
SELECT * FROM sqlite_scan('{frontier}', 'secrets')
SELECT * FROM sqlite_scan('{catalog}', 'ducklake_snapshot')
EXPLAIN ANALYZE SELECT * FROM read_text('{text}')
PIVOT (FROM read_text('{text}')) ON size USING first(content)
SELECT * FROM read_duckdb('{sqlite}')
"""

WRITES = """
COPY photos TO '{out}/stolen.csv'
COPY (SELECT 1) TO '{data}/evil.parquet' (FORMAT parquet)
COPY photos FROM '{csv}'
EXPORT DATABASE '{out}/stolen'
IMPORT DATABASE '{out}'
CREATE TABLE evil AS SELECT 1
CREATE TEMP TABLE evil AS SELECT 1
CREATE OR REPLACE VIEW v_photos AS SELECT 1
CREATE MACRO evil() AS 1
CREATE SECRET evil (TYPE s3, KEY_ID 'a', SECRET 'b')
INSERT INTO photos SELECT * FROM photos
UPDATE photos SET title = 'evil'
DELETE FROM photos
DROP TABLE photos
ALTER TABLE photos ADD COLUMN evil INTEGER
TRUNCATE photos
MERGE INTO photos USING photos AS p ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES
COMMENT ON TABLE photos IS 'evil'
EXPLAIN ANALYZE DELETE FROM photos
EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}/stolen.csv'
CHECKPOINT
VACUUM
"""

ATTACH = """
ATTACH '{out}/evil.db' AS evil
ATTACH '{sqlite}' AS evil (TYPE sqlite)
ATTACH 'ducklake:sqlite:{catalog}' AS evil
ATTACH ':memory:' AS evil
DETACH lake
USE memory
"""

EXTENSIONS = """
INSTALL httpfs
INSTALL spatial FROM community
LOAD httpfs
LOAD '{text}'
FORCE INSTALL postgres
UPDATE EXTENSIONS
"""

SETTINGS = """
SET enable_external_access = true
SET lock_configuration = false
SET GLOBAL memory_limit = '100GB'
SET VARIABLE evil = 1
RESET memory_limit
PRAGMA enable_profiling
PRAGMA database_list
PRAGMA memory_limit = '100GB'
PRAGMA add_parquet_key('key', '0123456789112345')
SELECT current_setting('temp_directory')
SELECT * FROM duckdb_settings()
FROM pg_catalog.pg_settings
CALL enable_logging()
"""

NETWORK = """
SELECT * FROM 'http://127.0.0.1:{port}/steal.csv'
SELECT * FROM read_csv('http://127.0.0.1:{port}/steal.csv')
SELECT * FROM read_parquet('s3://bucket/steal.parquet')
SELECT * FROM read_text('https://127.0.0.1:{port}/x')
ATTACH 'http://127.0.0.1:{port}/x.db' AS evil
SELECT * FROM postgres_scan('host=127.0.0.1 port={port}', 'public', 'x')
"""

INSIDE = """
SELECT getenv('SAFELIGHT_CANARY')
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_databases()
FROM __ducklake_metadata_lake.ducklake_snapshot
SELECT * FROM ducklake_list_files('lake', 'photos')
SELECT * FROM ducklake_snapshots('lake')
CALL ducklake_expire_snapshots('lake', older_than => now())
CALL ducklake_cleanup_old_files('lake', cleanup_all => true)
SELECT * FROM query('SELECT content FROM read_text(''{text}'')')
SELECT * FROM query_table('photos')
SELECT * FROM arrow_scan(1, 2, 3)
SELECT * FROM pandas_scan(140000000000000)
SELECT * FROM json_execute_serialized_sql('x')
PREPARE evil AS SELECT 1
EXECUTE evil
BEGIN TRANSACTION
SELECT write_log('evil')
SELECT nextval('evil')
"""

MEMORY = """
SELECT repeat('x', 4000000000)
SELECT repeat(repeat('x', 1000000), 1000000)
SELECT list(i) FROM range(10000000000) t(i)
SELECT string_agg(repeat('x', 100000), '') FROM range(10000000)
SELECT lpad('x', 2000000000, 'y')
SELECT range(4000000000)
SELECT list_resize([1], 2000000000)
SELECT histogram(i) FROM range(1000000000) t(i)
SELECT * FROM range(100000000) t(i) ORDER BY hash(i)
SELECT count(DISTINCT i) FROM range(10000000000) t(i)
SELECT to_json(range(500000000))
SELECT array_agg(md5(i::VARCHAR)) OVER () FROM range(1000000000) t(i)
"""

TIME = """
SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))
SELECT jaccard(repeat('a', 100000000), repeat('b', 100000000))
SELECT count(*) FROM range(10000000) a, range(10000000) b
SELECT sum(a.i * b.i) FROM range(1000000000) a(i) JOIN range(1000000000) b(i) ON a.i < b.i
WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t) SELECT count(*) FROM t
SELECT regexp_matches(repeat('a', 10000000), '(a*)*b'), sum(i) FROM range(100000000000) t(i)
SELECT sleep_ms(100000)
SELECT max(sha256(i::VARCHAR)) FROM range(100000000000) t(i)
SELECT count(*) FROM photos a, photos b, photos c, photos d, photos e, photos f, photos g, photos h
"""

FLOODS = """
SELECT * FROM range(10000000000)
SELECT repeat('x', 1000) FROM range(100000000)
SELECT i, repeat('x', 1000000) FROM range(1000000) t(i)
SELECT unnest(range(100000000))
FROM photos a, photos b, photos c, photos d
"""

STACKED = """
SELECT 1; DROP TABLE photos
SELECT 1;; COPY photos TO '{out}/stolen.csv'
SELECT 1; SELECT 2
; DROP TABLE photos
SELECT 1 /* ; */ ; ATTACH '{out}/evil.db'
CREATE TEMP TYPE __pivot_enum_x AS ENUM ('a'); SELECT 1
PIVOT photos ON source USING count(*); DROP TABLE photos
"""

DISGUISED = """
SELECT * FROM read_text/* comment */('{text}')
SELECT * FROM "read_text"('{text}')
SELECT * FROM READ_TEXT('{text}')
SELECT * FROM main.read_text('{text}')
SELECT * FROM system.main.read_text('{text}')
SELECT * FROM 'file://{text}'
SELECT * FROM ' {csv}'
/* SELECT 1 */ COPY photos TO '{out}/stolen.csv'
\ufeffDROP TABLE photos
\u00a0COPY photos TO '{out}/stolen.csv'
SELECT * FROM \uff52ead_text('{text}')
SELECT * FROM read_text('\u202e{text}')
SELECT * FROM U&"\\0072ead_text"('{text}')
PIVOT (FROM read_text /* x */ ('{text}')) ON size USING first(content)
PIVOT (FROM "read_text"('{text}')) ON size USING first(content)
SELECT * FROM e'\\x2fetc\\x2fpasswd'
"""

PIVOTS = """
PIVOT (SELECT content, 1 AS o FROM query--\r('FROM read_'||'text(''{text}'')')) ON o USING first(content)
PIVOT (SELECT path, 1 AS o FROM query--\r('from duck'||'db_databases()')) ON o USING first(path)
PIVOT (SELECT 1 AS o FROM query/* a /* b */ c */('FROM duckdb_'||'secrets()')) ON o USING count(*)
PIVOT (SELECT 1 AS o FROM "query"('FROM duckdb_'||'secrets()')) ON o USING count(*)
PIVOT (SELECT 1 AS o FROM query\u00a0('FROM duckdb_'||'secrets()')) ON o USING count(*)
PIVOT (SELECT 1 AS o FROM query\f\v\t('FROM duckdb_'||'secrets()')) ON o USING count(*)
PIVOT (SELECT 1 AS o FROM QuErY\u2003('FROM duckdb_'||'secrets()')) ON o USING count(*)
PIVOT (SELECT 1 AS o FROM U&"\\0071uery"('FROM duckdb_'||'secrets()')) ON o USING count(*)
PIVOT (SELECT 1 AS o FROM query($$FROM duckdb_secrets()$$)) ON o USING count(*)
PIVOT (FROM query_table--\r('{csv}')) ON secret USING count(*)
PIVOT '{csv}' ON secret USING count(*)
PIVOT "{parquet}" ON secret USING first(secret)
PIVOT photos ON (SELECT content FROM read_text--\r('{text}')) USING count(*)
PIVOT photos ON source USING first((SELECT content FROM read_text--\r('{text}')))
PIVOT photos ON source IN (SELECT secret FROM '{csv}') USING count(*)
PIVOT photos ON source IN (SELECT path FROM duckdb_databases--\r()) USING count(*)
PIVOT (PIVOT (FROM glob--\r('/etc/*')) ON file USING count(*)) ON 1 USING count(*)
WITH photos AS (FROM read_text--\r('{text}')) PIVOT photos ON content USING count(*)
WITH t AS (PIVOT (FROM duckdb_settings--\r()) ON name USING first(value)) FROM t
FROM (PIVOT (FROM sqlite_scan--\r('{sqlite}', 'secrets')) ON secret USING count(*))
EXPLAIN ANALYZE PIVOT (FROM read_text--\r('{text}')) ON size USING first(content)
EXPLAIN PIVOT (FROM duckdb_databases--\r()) ON database_name USING first(path)
FROM read_csv--\r('{csv}') PIVOT (count(*) FOR secret IN ('a'))
UNPIVOT (FROM read_text--\r('{text}')) ON content
PIVOT photos ON source USING count(*); ATTACH '{out}/evil.db' AS evil
"""

NAMES_IN_TEXTS = """
FROM histogram_values('{csv}', secret)
FROM histogram('{csv}', secret)
FROM histogram_values('__ducklake_metadata_lake.ducklake_metadata', value)
FROM query('FROM photos')
FROM query('FROM duckdb_databases()')
SELECT * FROM query_table(['photos', '{csv}'])
FROM query_table('__ducklake_metadata_lake.ducklake_metadata')
FROM pragma_table_info('{csv}')
FROM pragma_show('{parquet}')
FROM pragma_storage_info('photos')
FROM pragma_database_size()
FROM summary((FROM '{csv}'))
FROM json_execute_serialized_sql(json_serialize_sql('FROM duckdb_secrets()'))
SELECT json_deserialize_sql(json_serialize_sql('FROM duckdb_secrets()'))
SELECT * FROM python_map_function(1)
FROM ducklake_scan('lake', 'photos')
FROM ducklake_list_files('lake', 'photos', schema => 'main')
FROM ducklake_table_info('lake')
FROM ducklake_settings('lake')
FROM lake.settings()
FROM lake.options()
FROM lake.snapshots()
FROM lake.table_changes('photos', 0, 1)
SELECT pg_get_viewdef(view_oid) FROM pg_views
"""

RELATIONS = """
FROM lake.duckdb_settings
FROM duckdb_databases
FROM duckdb_views
FROM system.main.duckdb_tables
FROM main.duckdb_columns()
FROM sqlite_master
FROM sqlite_temp_master
FROM pragma_database_list
FROM pg_catalog.pg_settings
FROM pg_settings
FROM pg_catalog.pg_prepared_statements
FROM pg_catalog.pg_database
FROM __ducklake_metadata_lake.main.ducklake_metadata
FROM "__DUCKLAKE_metadata_LAKE".ducklake_data_file
SELECT (FROM __ducklake_metadata_lake.ducklake_snapshot_changes LIMIT 1)
DESCRIBE __ducklake_metadata_lake.ducklake_metadata
SUMMARIZE __ducklake_metadata_lake.ducklake_metadata
SHOW DATABASES
SHOW VARIABLES
SHOW TABLES FROM __ducklake_metadata_lake
TABLE duckdb_logs
WITH "{csv}" AS (SELECT 1) FROM "{csv}"
WITH duckdb_databases AS (SELECT 1) SELECT (SELECT count(*) FROM duckdb_databases), 1
SELECT 1 WHERE 1 IN (WITH sqlite_master AS (SELECT 1) FROM sqlite_master) OR EXISTS (FROM sqlite_master)
FROM photos, LATERAL (FROM '{csv}')
FROM photos UNION ALL BY NAME FROM '{parquet}'
SELECT (SELECT list(secret) FROM '{csv}') FROM photos
FROM photos SELECT list_transform([1], lambda x: (SELECT content FROM read_text('{text}')))
FROM photos ORDER BY (SELECT content FROM read_text('{text}'))
FROM photos LIMIT (SELECT size FROM read_blob('{text}'))
FROM photos AT (VERSION => (SELECT size FROM read_blob('{text}')))
FROM (VALUES ((SELECT content FROM read_text('{text}'))))
SELECT count(*) FILTER ((SELECT content FROM read_text('{text}')) = 'x') FROM photos
SELECT sum(1) OVER (ORDER BY (SELECT content FROM read_text('{text}'))) FROM photos
SELECT * REPLACE ((SELECT content FROM read_text('{text}')) AS source) FROM photos
WITH RECURSIVE t(c) AS (SELECT '' UNION ALL SELECT content FROM t, read_text('{text}')) FROM t LIMIT 3
SELECT 1 GROUP BY ROLLUP ((SELECT content FROM read_text('{text}')))
"""

LEXED = """
SELECT * FROM read_text--\r('{text}')
SELECT * FROM read_text -- x\r\f('{text}')
SELECT * FROM read_text/* /* nested */ */('{text}')
SELECT * FROM read_text\u3000('{text}')
SELECT * FROM read_text\u2028('{text}')
SELECT * FROM \u00a0read_text\u00a0($${text}$$)
SELECT * FROM read_text($tag${text}$tag$)
SELECT * FROM rea\u0064_text('{text}')
SELECT * FROM read_te\u00adxt('{text}')
SELECT * FROM glo\u200bb('/etc/*')
SELECT * FROM "quer\u212a"('FROM photos')
SELECT * FROM "photo\u017f"
SELECT * FROM duc\u212adb_settings()
FROM e'{csv}'
FROM $${csv}$$
FROM "{csv}" AS photos
FROM photos; -- '\rFROM read_text('{text}')
EXPLAIN/**/ANALYZE/**/FROM read_text('{text}')
EXPLAIN (ANALYZE, FORMAT json) FROM read_text('{text}')
EXPLAIN (FORMAT json) COPY photos TO '{out}/stolen.csv'
EXPLAIN ANALYZE EXECUTE evil
EXPLAIN CREATE TABLE evil AS FROM photos
EXPLAIN EXPLAIN FROM read_text('{text}')
EXPLAIN SELECT 1; DROP TABLE photos
SET VARIABLE evil = (SELECT content FROM read_text('{text}'))
SELECT getvariable('evil')
SELECT getenv--\r('SAFELIGHT_CANARY')
SELECT current_setting--\r('secret_directory')
SELECT current_query()
SELECT stats(source) FROM photos
CREATE MACRO evil(x) AS TABLE FROM read_text(x)
PREPARE evil AS FROM read_text('{text}')
CALL query('FROM photos')
FROM sniff_csv('{csv}')
FROM parquet_schema('{parquet}')
FROM parquet_kv_metadata('{parquet}')
FROM which_secret('s3://bucket/x', 's3')
IMPORT DATABASE '{home}'
COPY FROM DATABASE lake TO memory
SELECT getenv('HOME')
"""

CLASSES = {
    "files": FILES,
    "writes": WRITES,
    "attach": ATTACH,
    "extensions": EXTENSIONS,
    "settings": SETTINGS,
    "network": NETWORK,
    "inside": INSIDE,
    "memory": MEMORY,
    "time": TIME,
    "floods": FLOODS,
    "stacked": STACKED,
    "disguised": DISGUISED,
    "pivots": PIVOTS,
    "names in texts": NAMES_IN_TEXTS,
    "relations": RELATIONS,
    "lexed": LEXED,
}

HOSTILE = [(kind, sql) for kind, text in CLASSES.items() for sql in text.strip("\n").split("\n")]
"""(class, statement), every statement on one line."""
