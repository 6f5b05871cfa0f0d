"""Many at once, long beside short, and guesses at tokens: nobody is kept out by another."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.catalog.web.serving import Answer, Server, serving

pytestmark = pytest.mark.timeout(300)
ADA, BOB = "ada-correct-horse-battery", "bob-correct-horse-battery"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SLEEP_S = 60


@pytest.fixture(scope="module")
def server(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("fair")
    shutil.copytree(empty_home, base / "home")
    tokens = base / "tokens"
    tokens.write_text(f"ada {ADA}\nbob {BOB}\n")
    tokens.chmod(0o600)
    with serving(base / "home", token_file=tokens, threads=1, memory_mb=128) as started:
        yield started


def start(server: Server, sql: str, token: str = ADA) -> Answer:
    body = {"sql": sql, "timeout_s": SLEEP_S}
    return server.ask("POST", "/api/queries", body, {"Authorization": f"Bearer {token}"})


def end(server: Server, started: Answer, token: str = ADA) -> dict[str, Any]:
    address = f"/api/queries/{started.json['query_id']}?wait_s=60"
    return dict(server.get(address, Authorization=f"Bearer {token}").json)


def cancel(server: Server, started: Answer) -> None:
    address = f"/api/queries/{started.json['query_id']}"
    server.ask("DELETE", address, headers={"Authorization": f"Bearer {ADA}"})


@pytest.mark.long
def test_of_forty_at_once_those_that_are_taken_are_answered_and_the_rest_refused_at_once(
    server: Server,
) -> None:
    with ThreadPoolExecutor(40) as threads:
        started = list(
            threads.map(lambda n: start(server, f"SELECT sleep_ms(300), {n} AS n"), range(40))
        )
        taken = [answer for answer in started if answer.status == 201]
        ended = list(threads.map(lambda answer: end(server, answer), taken))
    assert Counter(answer.status for answer in started).keys() <= {201, 429}
    assert len(taken) >= 22
    assert all("retry-after" in answer.headers for answer in started if answer.status == 429)
    assert Counter(one["state"] for one in ended) == {"done": len(taken)}


@pytest.mark.long
def test_long_statements_do_not_keep_a_short_one_waiting(server: Server) -> None:
    long = [start(server, f"SELECT sleep_ms({SLEEP_S * 1000})") for _ in range(4)]
    try:
        for token in (ADA, BOB):
            begun = time.monotonic()
            short = end(server, start(server, "SELECT 41 + 1", token), token)
            assert short["state"] == "done", short
            assert time.monotonic() - begun < SLEEP_S / 2
        assert [end_now(server, one)["state"] for one in long[:2]] == ["running", "running"]
    finally:
        for one in long:
            cancel(server, one)


def end_now(server: Server, started: Answer) -> dict[str, Any]:
    address = f"/api/queries/{started.json['query_id']}"
    return dict(server.get(address, Authorization=f"Bearer {ADA}").json)


@pytest.mark.slow
def test_what_a_trial_wrote_is_not_in_the_result(server: Server) -> None:
    """It writes rows at once, takes longer than a trial, and is begun anew."""
    sql = "SELECT i, CASE WHEN i >= 4096 THEN sleep_ms(4000) END AS s FROM range(4097) t(i)"
    long = [start(server, f"SELECT sleep_ms({SLEEP_S * 1000})") for _ in range(2)]
    slow = start(server, sql)
    time.sleep(4)
    for one in long:
        cancel(server, one)
    done = end(server, slow)
    assert (done["state"], done["n_rows"]) == ("done", 4097)
    page = f"/api/queries/{done['query_id']}/rows?offset=4090&limit=10"
    rows = server.get(page, Authorization=f"Bearer {ADA}").json["rows"]
    assert [row[0] for row in rows] == list(range(4090, 4097))


def test_wrong_tokens_are_slowed_down_and_right_ones_of_programs_are_not(server: Server) -> None:
    with ThreadPoolExecutor(10) as threads:
        sent = [b"token=guess-%d" % n for n in range(30)]
        responses = list(threads.map(lambda body: server.ask("POST", "/login", body, FORM), sent))
    statuses = Counter(answer.status for answer in responses)
    assert statuses.keys() == {401, 429}
    assert statuses[401] <= 8  # five, and one more for every ten seconds that the machine took
    refused = next(answer for answer in responses if answer.status == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json["kind"] == "too_many_attempts"
    # Refused before the token is looked at: a right one is refused, too.
    right = server.ask("POST", "/login", f"token={ADA}".encode(), FORM)
    assert right.status == 429
    page = server.ask("POST", "/login", b"token=guess", FORM | {"Accept": "text/html"})
    assert (page.status, page.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert int(page.headers["retry-after"]) >= 1
    assert b"too many wrong tokens" in page.body
    assert server.get("/api/schema", Authorization="Bearer wrong-wrong-wrong").status == 429
    assert server.get("/api/schema", Authorization=f"Bearer {BOB}").status == 200
    assert server.get("/api/schema").status == 401
