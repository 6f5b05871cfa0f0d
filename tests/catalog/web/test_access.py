"""Authentication, sessions, allowed hosts and origins, security headers."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import safelight
from catalog import UsageError, Workspace
from catalog.web.app import make_app
from catalog.web.http.credentials import load_credentials
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.serving import Server, serving

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def guarded(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has tokens."""
    base = tmp_path_factory.mktemp("access")
    shutil.copytree(empty_home, base / "home")
    tokens = base / "tokens"
    tokens.write_text(f"# who and what\nada {TOKEN}\n")
    tokens.chmod(0o600)
    options = {"token_file": tokens, "allowed_hosts": "photos.example", "body_timeout_s": 0.5}
    with serving(base / "home", **options) as server:
        yield server


def test_a_token_is_required_and_a_wrong_one_refused(guarded: Server) -> None:
    response = guarded.get("/api/schema")
    assert response.status == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json["kind"] == "token_needed"
    assert (
        guarded.get("/api/schema", Authorization="Bearer nonsense-nonsense-nonsense").status == 401
    )
    assert guarded.get("/api/schema", Authorization=f"Bearer {TOKEN}").status == 200


def test_a_browser_is_sent_to_sign_in_and_gets_a_session(guarded: Server) -> None:
    page = guarded.get("/", Accept="text/html")
    assert (page.status, page.headers["location"]) == (303, "/login")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert guarded.ask("POST", "/login", b"token=wrong", form).status == 401
    signed = guarded.ask("POST", "/login", f"token={TOKEN}".encode(), form)
    assert (signed.status, signed.headers["location"]) == (303, "/")
    cookie = signed.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    session = cookie.split(";")[0]
    assert guarded.get("/api/schema", Cookie=session).status == 200
    assert guarded.ask("POST", "/logout", b"", {"Cookie": session}).status == 303
    assert guarded.get("/api/schema", Cookie=session).status == 401


def test_a_password_for_a_proxy_is_not_taken_for_a_wrong_token(guarded: Server) -> None:
    for _ in range(20):
        assert guarded.get("/login", Authorization="Basic YWRhOnNlY3JldA==").status == 200


def test_the_audit_log_names_the_caller(guarded: Server) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    started = guarded.ask("POST", "/api/queries", {"sql": "SELECT 1"}, bearer)
    guarded.get(f"/api/queries/{started.json['query_id']}?wait_s=20", **bearer)
    trail = guarded.home / "logs" / "queries.jsonl"
    lines = [line for line in trail.read_text().splitlines() if started.json["query_id"] in line]
    assert '"asked_by": "ada"' in lines[0]


def test_a_name_that_is_not_ours_is_refused(guarded: Server) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for host, status in (
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("[::1", 421),
        ("localhost:1234", 200),
        ("photos.example", 200),
        ("PHOTOS.example:80", 200),
    ):
        assert guarded.get("/api/openapi.json", Host=host, **bearer).status == status, host


def test_another_site_cannot_make_a_browser_change_anything(guarded: Server) -> None:
    own = f"http://127.0.0.1:{guarded.port}"
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"http://127.0.0.1:{guarded.port + 1}"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, 201),
        ({}, 201),
    ):
        sent = {**headers, **bearer}
        assert guarded.ask("POST", "/api/queries", {"sql": "SELECT 1"}, sent).status == status, (
            headers
        )
    text = {"Content-Type": "text/plain", **bearer}
    assert guarded.ask("POST", "/api/queries", b'{"sql": "SELECT 1"}', text).status == 400


def test_every_answer_is_strict_about_what_a_page_may_do(guarded: Server) -> None:
    for answer in (
        guarded.get("/api/nothing"),
        guarded.get("/api/schema"),
        guarded.get("/", Host="evil.example"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_large_body_is_refused(guarded: Server) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    answer = guarded.ask("POST", "/api/queries", {"sql": "x" * 2 * 2**20}, bearer)
    assert (answer.status, answer.json["kind"]) == (413, "request_entity_too_large")
    long = {"sql": f"SELECT '{'x' * 70_000}'"}
    assert guarded.ask("POST", "/api/queries", long, bearer).status == 400


def test_a_body_that_does_not_come_is_not_waited_for(guarded: Server) -> None:
    head = (
        f"POST /api/queries HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_server_for_others_needs_a_token(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SAFELIGHT_SERVE_TOKEN"):
        make_app(workspace, ServeSettings(host="0.0.0.0"))
    with pytest.raises(UsageError, match="shorter than"):
        load_credentials(ServeSettings(), {"SAFELIGHT_SERVE_TOKEN": "short"})
    file = tmp_path / "tokens"
    file.write_text(f"ada {TOKEN}\n")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        load_credentials(ServeSettings(token_file=str(file)))
    file.chmod(0o600)
    credentials = load_credentials(ServeSettings(host="0.0.0.0", token_file=str(file)))
    assert credentials.token_name(TOKEN) == "ada"
    assert credentials.token_name("nobody's") is None
    file.write_text("only-one-word\n")
    with pytest.raises(UsageError, match="a name and a token"):
        load_credentials(ServeSettings(token_file=str(file)))


def test_a_port_in_use_is_explained(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["--home", str(workspace.home), "serve", "--port", str(taken.getsockname()[1])]
        with pytest.raises(SystemExit):
            safelight.main(words)
    assert "choose another --port" in capfd.readouterr().err


def test_neither_statements_nor_tokens_stand_in_the_log(guarded: Server) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    guarded.ask("POST", "/api/queries", {"sql": "SELECT 'marker-in-sql'"}, bearer)
    guarded.get("/api/schema?q=marker-in-address", **bearer)
    guarded.get("/api/%0aforged%20line", **bearer)
    log = guarded.log.read_text()
    assert "\nforged" not in log
    assert "/api/schema" in log
    assert "marker" not in log
    assert TOKEN not in log
