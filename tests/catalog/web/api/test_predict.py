"""Predictions over HTTP: limits of uploads and work, refused files, access. The predictor is a made one."""

import json
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from catalog import Workspace
from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.in_thread import serving
from tests.catalog.web.made_predictor import MODEL, MadePredictor

BYTES = {"Content-Type": "application/octet-stream"}
PATH = f"/api/v1/predict?model={MODEL.model_id}"


@dataclass(frozen=True)
class Client:
    address: str
    predictor: MadePredictor

    def send(
        self,
        body: bytes,
        path: str = PATH,
        headers: Mapping[str, str] = BYTES,
        method: str = "POST",
    ) -> tuple[int, Any, Mapping[str, str]]:
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=30)
        try:
            connection.request(method, path, body=body, headers=dict(headers))
            response = connection.getresponse()
            return response.status, json.loads(response.read()), dict(response.getheaders())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def settings() -> ServeSettings:
    return ServeSettings(
        upload_mb=1, max_predictions=1, prediction_timeout_s=0.5, upload_timeout_s=0.5
    )


@pytest.fixture(scope="module")
def client(
    empty_home: Path, tmp_path_factory: pytest.TempPathFactory, settings: ServeSettings
) -> Iterator[Client]:
    predictor = MadePredictor()
    home = tmp_path_factory.mktemp("predict") / "home"
    shutil.copytree(empty_home, home)
    with serving(make_app(Workspace.at(home), settings, lambda _: predictor)) as address:
        yield Client(address, predictor)
        predictor.released.set()
    assert predictor.is_closed


def test_a_picture_gets_its_answers_and_is_not_to_be_stored(client: Client) -> None:
    status, answer, headers = client.send(b"picture")
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert answer["model"] == {
        "model_id": "0123abcd", "recipe": "faces", "dataset": "cameras", "version": "1.1.0",
        "split_policy": "split", "trained_at": "2026-01-02T03:04:05+00:00",
        "predicts": ["Age", "Species"], "looks_at": "face",
    }  # fmt: skip
    first, second = answer["subjects"]
    assert first["box"] == {"x": 8, "y": 8, "width": 24, "height": 30}
    assert [first["heads"][0][name] for name in ("value", "low", "high", "unit")] == [
        34.3, 27.9, 41.25, "years",
    ]  # fmt: skip
    assert second["heads"][1]["is_refused"]
    assert (answer["faces"], answer["refusal"]) == (5, None)
    status, listed, _ = client.send(b"", "/api/v1/models", method="GET")
    assert status == 200
    assert [model["model_id"] for model in listed["models"]] == [
        "0123abcd", "9876fedc", "feedc0de",
    ]  # fmt: skip


def test_a_refusal_is_an_answer_and_a_bad_file_an_error(client: Client) -> None:
    status, answer, _ = client.send(b"empty")
    assert (status, answer["subjects"], answer["refusal"]["kind"]) == (200, [], "no_face")
    status, answer, _ = client.send(b"bad")
    assert (status, answer) == (422, {"error": "the file is cut off: 3 bytes", "kind": "truncated"})


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/predict", 400, "bad_request"),
        ("/api/v1/predict?model=", 400, "bad_request"),
        (f"/api/v1/predict?model={'x' * 101}", 400, "bad_request"),
        ("/api/v1/predict?model=../../etc/passwd", 404, "no_such_model"),
    ],
)
def test_a_wrong_model_is_named(client: Client, path: str, status: int, kind: str) -> None:
    answered, answer, _ = client.send(b"picture", path)
    assert (answered, answer["kind"]) == (status, kind)


def test_a_body_of_another_type_or_none_is_refused(client: Client) -> None:
    n_predicted = client.predictor.n_predicted
    for body, content_type, kind in (
        (b"x", "application/x-www-form-urlencoded", "unsupported_media_type"),
        (b"x", "multipart/form-data; boundary=x", "unsupported_media_type"),
        (b"x", "text/plain", "unsupported_media_type"),
        (b"", "image/jpeg", "not_an_image"),
    ):
        status, answer, _ = client.send(body, headers={"Content-Type": content_type})
        assert (status, answer["kind"]) == (415, kind), content_type
    assert client.send(b"x", headers={"Content-Type": "image/anything"})[0] == 200
    assert client.predictor.n_predicted == n_predicted + 1


def test_a_page_of_another_site_cannot_have_a_picture_predicted(client: Client) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        status, answer, _ = client.send(b"x", headers=BYTES | headers)
        assert (status, answer["kind"]) == (403, "foreign_origin")
    assert client.send(b"x", headers=BYTES | {"Host": "evil.example"})[0] == 421


def test_a_file_above_the_limit_is_refused_with_and_without_a_stated_length(client: Client) -> None:
    status, answer, _ = client.send(bytes(2**20 + 1))
    assert (status, answer) == (
        413,
        {"error": "the file is larger than 1 MB", "kind": "too_large"},
    )
    assert client.send(bytes(2**20))[0] == 200
    connection = HTTPConnection(urlsplit(client.address).netloc, timeout=30)
    pieces = [bytes(2**18)] * 4 + [b"x"]
    connection.request("POST", PATH, body=iter(pieces), headers=BYTES, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_that_does_not_come_is_not_waited_for(client: Client) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        "Content-Length: 100\r\n\r\nx"
    )
    where = urlsplit(client.address)
    with socket.create_connection((where.hostname, where.port), 20) as one:
        one.sendall(head.encode())
        assert one.recv(100).startswith(b"HTTP/1.1 408 ")


def test_beyond_the_limit_of_work_the_server_says_when_to_come_again(client: Client) -> None:
    answers: list[tuple[int, Any, Mapping[str, str]]] = []
    slow = threading.Thread(target=lambda: answers.append(client.send(b"slow")))
    slow.start()
    slow.join(20)
    [(status, answer, _)] = answers
    assert (status, answer["kind"]) == (422, "too_slow"), "it is answered at its deadline"
    status, answer, headers = client.send(b"picture")
    assert (status, answer["kind"]) == (503, "too_many_predictions"), "but its thread still works"
    assert int(headers["Retry-After"]) > 0
    n_predicted = client.predictor.n_predicted
    client.predictor.released.set()
    for _ in range(100):
        if client.predictor.n_predicted > n_predicted:
            break
        threading.Event().wait(0.05)
    for _ in range(20):
        if (status := client.send(b"picture")[0]) == 200:
            break
    assert status == 200, "its turn is free again"


def test_too_many_uploads_at_once_are_refused(client: Client) -> None:
    host, port = urlsplit(client.address).hostname, urlsplit(client.address).port
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        "Content-Length: 100\r\n\r\nx"
    )
    waiting = [socket.create_connection((host, port), 20) for _ in range(5)]
    try:
        for each in waiting:
            each.sendall(head.encode())
        statuses = sorted(each.recv(12) for each in waiting)
        assert statuses == [b"HTTP/1.1 408"] * 4 + [b"HTTP/1.1 503"]
    finally:
        for each in waiting:
            each.close()


def form(*bodies: bytes) -> tuple[bytes, dict[str, str]]:
    parts = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="%d.jpg"\r\n\r\n%s\r\n'
        % part
        for part in enumerate(bodies)
    )
    return b"".join(parts) + b"--B--\r\n", {"Content-Type": "multipart/form-data; boundary=B"}


def batch(client: Client, body: bytes, headers: Mapping[str, str]) -> list[dict[str, Any]]:
    connection = HTTPConnection(urlsplit(client.address).netloc, timeout=30)
    connection.request("POST", PATH.replace("?", "/batch?"), body=body, headers=dict(headers))
    response = connection.getresponse()
    assert (response.status, response.getheader("Content-Type")) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in response.read().splitlines()]
    connection.close()
    return lines


def test_a_batch_has_a_line_for_each_file_in_order(client: Client) -> None:
    client.predictor.released.set()
    lines = batch(client, *form(b"one", b"bad", bytes(2**20 + 1), b"", b"empty"))
    assert [line["name"] for line in lines] == [f"{n}.jpg" for n in range(5)]
    assert [line.get("status", 200) for line in lines] == [200, 422, 413, 415, 200]
    assert lines[0]["prediction"]["subjects"][0]["heads"][0]["value"] == 34.3
    assert lines[1]["error"] == "the file is cut off: 3 bytes"
    assert lines[4]["prediction"]["refusal"]["kind"] == "no_face"


def test_a_batch_of_too_many_files_or_that_is_cut_off_says_so_in_its_last_line(
    client: Client,
) -> None:
    lines = batch(client, *form(*[b"x"] * 101))
    assert len(lines) == 101
    assert lines[-1] == {
        "error": "a batch is a form of at most 100 files", "kind": "bad_request", "status": 400,
    }  # fmt: skip
    body, headers = form(b"one", b"two")
    lines = batch(client, body[:-30], headers)
    assert lines[-1]["status"] == 400
    status, answer, _ = client.send(b"x", PATH.replace("?", "/batch?"))
    assert (status, answer["kind"]) == (400, "bad_request")


def test_what_counted_is_answered_and_a_second_map_at_once_refused(client: Client) -> None:
    path = PATH.replace("predict?", "explain?") + "&task=age&face=1"
    status, answer, _ = client.send(b"picture", path)
    assert (status, answer["about"], answer["rows"]) == (200, "face 1", [[0.1, 0.9], [-0.3, 0.0]])
    assert client.send(b"bad", path)[:2] == (
        422, {"error": "the file is cut off: 3 bytes", "kind": "truncated"},
    )  # fmt: skip
    assert client.send(b"picture", path.replace("face=1", "face=x"))[0] == 400
    client.predictor.released.clear()
    assert client.send(b"slow", path)[1]["kind"] == "too_slow"
    assert client.send(b"picture", path)[1]["kind"] == "too_many_predictions"
    assert client.send(b"picture")[0] == 200, "predictions go on"
    client.predictor.released.set()


def test_metrics_count_how_predictions_end_and_health_needs_no_token(client: Client) -> None:
    def read(path: str) -> bytes:
        connection = HTTPConnection(urlsplit(client.address).netloc, timeout=30)
        connection.request("GET", path)
        body = connection.getresponse().read()
        connection.close()
        return body

    def counts() -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families(read("/metrics").decode())
        samples = [s for family in families for s in family.samples if s.name.endswith("s_total")]
        return {(s.labels["request"], s.labels["outcome"]): s.value for s in samples}

    before = counts()
    client.send(b"bad")
    client.send(b"picture")
    after = counts()
    for outcome in ("truncated", "answered"):
        assert after["picture", outcome] == before.get(("picture", outcome), 0) + 1
    assert json.loads(read("/health"))["status"] == "ok"


def test_a_server_without_a_predictor_says_so(
    workspace: Workspace, settings: ServeSettings
) -> None:
    with serving(make_app(workspace, settings)) as address:
        status, answer, _ = Client(address, MadePredictor()).send(b"picture")
    assert status == 400
    assert "predicts nothing" in answer["error"]
