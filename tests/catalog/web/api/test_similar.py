"""Similar pictures, the map and selected pictures over HTTP."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from catalog import Workspace, open_catalog
from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.in_thread import serving
from tests.catalog.web.made_home import (
    BODIES,
    COPY_OF_TURNED,
    DROPPED,
    HOSTILE,
    SHAS,
    TURNED,
    make_home,
)
from tests.catalog.web.made_searcher import GONE, WITHOUT, MadeSearcher

TOKENS = {"ada": "correct-horse-battery-staple", "bob": "another-horse-battery-staple"}
PATHS = [
    ("GET", "/similar"),
    ("GET", "/map"),
    ("GET", f"/api/v1/similar/{SHAS[5]}"),
    ("POST", "/api/v1/similar"),
    ("GET", "/api/v1/map"),
    ("GET", "/api/v1/map/points"),
    ("GET", "/api/v1/map/colours"),
    ("POST", "/api/selection/decisions"),
    ("POST", "/api/selection/labels"),
    ("DELETE", "/api/selection/decisions/manual:000000000000"),
    ("DELETE", "/api/selection/labels/label:0000000000000000"),
]


class Client:
    """Sends requests to one server, with a token or without."""

    def __init__(self, address: str, token: str = "") -> None:
        self.address, self._token = address, token

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
        request = Request(self.address + path, data, sent, method=method)
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except HTTPError as error:
            return error.code, error.read(), dict(error.headers)

    def json(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        status, content, _ = self.ask(method, path, body, **headers)
        return status, json.loads(content)


@pytest.fixture(scope="module")
def own_home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A made home that tests may change, as long as they take it back."""
    target = tmp_path_factory.mktemp("similar") / "home"
    shutil.copytree(empty_home, target)
    return make_home(target)


@pytest.fixture(scope="module")
def client(own_home: Workspace) -> Iterator[Client]:
    with serving(make_app(own_home, ServeSettings(), None, MadeSearcher)) as address:
        yield Client(address)


@pytest.fixture(scope="module")
def people(
    own_home: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Client]]:
    """A server with tokens, and its two users."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text("".join(f"{name} {token}\n" for name, token in TOKENS.items()))
    tokens.chmod(0o600)
    settings = ServeSettings(token_file=str(tokens))
    with serving(make_app(own_home, settings, None, MadeSearcher)) as address:
        yield {"": Client(address)} | {name: Client(address, TOKENS[name]) for name in TOKENS}


def decisions(home: Workspace) -> list[dict[str, object]]:
    with open_catalog(home) as catalog:
        catalog.commit()
        sql = "SELECT asset_sha256, decision, decided_by FROM v_manual_decisions ORDER BY asset_sha256"
        return catalog.records(sql)


def test_similar_pictures_say_what_the_catalog_has_about_them(client: Client) -> None:
    status, answer = client.json("GET", f"/api/v1/similar/{SHAS[COPY_OF_TURNED]}?limit=3")
    assert status == 200
    first, second, third = answer["pictures"]
    shas = [each["picture"]["sha256"] for each in (first, second, third)]
    assert shas == [SHAS[TURNED], SHAS[DROPPED], SHAS[3]]
    assert (first["kind"], first["tie"], first["cosine"]) == ("copy", "copy", 0.98)
    assert first["picture"]["title"] == HOSTILE
    assert first["picture"]["licence"].startswith("javascript:")
    assert (second["kind"], second["picture"]["decision"]) == ("near", "dropped")
    assert second["picture"]["reason"] == "truncated"
    assert (third["picture"]["decision"], third["picture"]["licence"]) == ("kept", "CC0")


def test_a_picture_that_the_catalog_lost_is_never_listed(client: Client) -> None:
    _, answer = client.json("GET", f"/api/v1/similar/{SHAS[-1]}?limit=200")
    assert answer["pictures"]
    assert GONE not in [each["picture"]["sha256"] for each in answer["pictures"]]


def test_an_upload_is_compared_and_refusals_are_said(client: Client) -> None:
    octets = {"Content_Type": "application/octet-stream"}
    status, answer = client.json("POST", "/api/v1/similar?limit=2", BODIES[5], **octets)
    assert status == 200
    assert answer["pictures"][0]["tie"] == "equal"
    assert answer["pictures"][0]["picture"]["sha256"] == SHAS[5]
    for body, expected, kind in (
        (b"bad", 422, "picture_refused"),
        (b"", 415, "picture_refused"),
        (b"network", 501, "missing_part"),
    ):
        status, problem = client.json("POST", "/api/v1/similar", body, **octets)
        assert (status, problem["kind"]) == (expected, kind)
    status, _ = client.json("POST", "/api/v1/similar", b"{}")
    assert status == 415
    status, problem = client.json("GET", f"/api/v1/similar/{WITHOUT}")
    assert (status, problem["kind"]) == (409, "no_vector")


def test_a_server_without_a_searcher_says_so(home: Workspace) -> None:
    with serving(make_app(home, ServeSettings())) as address:
        for path in ("/similar", "/map", f"/pictures/{SHAS[5]}"):
            status, page, _ = Client(address).ask("GET", path)
            assert status == 200
            assert b"his server compares no pictures; start it with the command safelight" in page
        assert Client(address).json("GET", "/api/v1/map")[0] == 400


def test_the_page_of_a_picture_shows_likes_and_escapes_them(client: Client) -> None:
    _, page, _ = client.ask("GET", f"/pictures/{SHAS[COPY_OF_TURNED]}")
    text = page.decode()
    section = text[text.index('id="more-like-this"') :].split("</section>")[0]
    assert f"/similar#picture={SHAS[TURNED]}" in section
    assert "distance 0.020" in section
    assert "<script>alert" not in text
    assert 'href="javascript:' not in text
    assert GONE not in text
    _, page, _ = client.ask("GET", f"/pictures/{WITHOUT}")
    assert b"This picture has no vector yet." in page


def test_points_and_colours_of_a_map_agree(client: Client) -> None:
    _, about = client.json("GET", "/api/v1/map")
    assert about["is_ready"]
    assert (about["points"], about["total"], about["explained"]) == (23, 240_000, [0.5, 0.25])
    status, body, headers = client.ask("GET", "/api/v1/map/points")
    assert (status, headers["X-Map-Key"]) == (200, about["key"])
    n = about["points"]
    names = [body[32 * place : 32 * (place + 1)].hex() for place in range(n)]
    x = np.frombuffer(body[32 * n : 36 * n], "<f4")
    assert names == sorted(sha for sha in SHAS if sha != WITHOUT)
    assert len(body) == 40 * n
    _, colours = client.json("GET", "/api/v1/map/colours?column=title")
    titles = dict(zip(names, (colours["names"][value] for value in colours["values"]), strict=True))
    assert len(colours["names"]) == 11
    assert colours["names"][-1] == "all others"
    assert titles[SHAS[TURNED]] in (HOSTILE[:80], "all others")
    _, iso = client.json("GET", "/api/v1/map/colours?column=iso")
    assert iso["kind"] == "number"
    assert dict(zip(names, iso["values"], strict=True))[SHAS[3]] == 800
    _, decision = client.json("GET", "/api/v1/map/colours?column=decision")
    classes = dict(zip(names, decision["values"], strict=True))
    assert decision["names"][classes[SHAS[DROPPED]]] == "dropped: truncated"
    assert client.ask("GET", "/api/v1/map/points", If_None_Match=headers["ETag"])[0] == 304
    assert client.json("GET", "/api/v1/map/colours?column=secret")[0] == 422
    assert client.json("GET", "/api/v1/map/colours?column=iso&key=old")[0] == 404
    assert client.json("GET", "/api/v1/map?method=tsne")[0] == 400
    assert x[names.index(SHAS[3])] == 3
    _, flipped, _ = client.ask("GET", "/api/v1/map/points?method=umap")
    assert np.frombuffer(flipped[32 * n : 36 * n], "<f4")[names.index(SHAS[3])] == -3


def test_only_the_map_may_compile_and_all_other_pages_may_not(client: Client) -> None:
    policies = {
        path: client.ask("GET", path)[2]["Content-Security-Policy"]
        for path in ("/map", "/similar", "/")
    }
    assert [path for path, policy in policies.items() if "unsafe" in policy] == ["/map"]
    assert policies["/map"].replace(" 'unsafe-eval'", "") == policies["/"]


def test_selected_pictures_are_dropped_and_the_undo_takes_it_back(
    client: Client, own_home: Workspace
) -> None:
    body = {"pictures": SHAS[5:8], "kind": "drop", "reason": "too similar"}
    status, made = client.json("POST", "/api/selection/decisions", body)
    assert (status, made["n"]) == (201, 3)
    assert [row["decision"] for row in decisions(own_home)] == ["drop"] * 3
    _, answer = client.json("GET", f"/api/v1/similar/{SHAS[6]}?limit=1")
    assert answer["pictures"][0]["picture"]["by_hand"] == "drop"
    status, undone = client.json("DELETE", f"/api/selection/decisions/{made['decision_id']}")
    assert (status, undone["kind"]) == (200, "undo")
    assert decisions(own_home) == []
    assert client.json("DELETE", f"/api/selection/decisions/{made['decision_id']}")[0] == 404


def test_selected_pictures_get_a_label_at_once_and_lose_it_at_once(
    client: Client, own_home: Workspace
) -> None:
    body = {"pictures": SHAS[5:9], "task": "mood", "value": "it's <b>calm</b>"}
    status, made = client.json("POST", "/api/selection/labels", body)
    assert (status, made["n"]) == (201, 4)
    _, listed = client.json("GET", "/api/labels")
    mood = {"task": "mood", "classes": ["it's <b>calm</b>"], "labels": 4, "people": ["local"]}
    assert mood in listed["tasks"]
    assert client.json("GET", "/api/labels/mood")[1]["progress"]["labels"] == 4
    assert client.json("DELETE", f"/api/selection/labels/{made['batch']}")[1]["n"] == 4
    assert client.json("GET", "/api/labels/mood")[1]["progress"]["labels"] == 0
    assert client.json("DELETE", f"/api/selection/labels/{made['batch']}")[0] == 422
    with open_catalog(own_home) as catalog:
        assert catalog.records("SELECT count(*) AS n FROM judgements WHERE task = 'mood'") == [
            {"n": 8}
        ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("decisions", {"pictures": [], "kind": "drop"}, 400),
        ("decisions", {"pictures": ["x"], "kind": "drop"}, 400),
        ("decisions", {"pictures": [GONE], "kind": "drop"}, 422),
        ("decisions", {"pictures": [SHAS[5]], "kind": "merge"}, 400),
        ("decisions", {"pictures": [SHAS[5]] * 10_001, "kind": "keep"}, 400),
        ("labels", {"pictures": [GONE], "task": "mood", "value": "calm"}, 422),
        ("labels", {"pictures": [SHAS[5]], "task": "iso", "value": "calm"}, 422),
        ("labels", {"pictures": [SHAS[5]], "task": "mood", "value": "a\nb"}, 422),
    ],
)
def test_what_cannot_be_decided_is_refused(
    client: Client, own_home: Workspace, path: str, body: object, status: int
) -> None:
    assert client.json("POST", f"/api/selection/{path}", body)[0] == status
    assert decisions(own_home) == []


def test_visitors_without_a_token_see_nothing(people: dict[str, Client]) -> None:
    visitor = people[""]
    for method, path in PATHS:
        status, body, _ = visitor.ask(method, path, b"{}" if method == "POST" else None)
        assert status == 401, path
        assert not any(sha.encode() in body for sha in SHAS)


def test_a_decision_bears_the_name_of_its_token_and_only_its_maker_undoes_it(
    people: dict[str, Client], own_home: Workspace
) -> None:
    body = {"pictures": [SHAS[5]], "kind": "keep"}
    _, made = people["ada"].json("POST", "/api/selection/decisions", body)
    assert decisions(own_home)[0]["decided_by"] == "ada"
    path = f"/api/selection/decisions/{made['decision_id']}"
    assert people["bob"].json("DELETE", path)[0] == 404
    assert len(decisions(own_home)) == 1
    label = {"pictures": [SHAS[5]], "task": "tone", "value": "calm"}
    _, labelled = people["ada"].json("POST", "/api/selection/labels?by=bob", label)
    assert people["bob"].json("DELETE", f"/api/selection/labels/{labelled['batch']}")[0] == 422
    assert people["ada"].json("DELETE", f"/api/selection/labels/{labelled['batch']}")[0] == 200
    assert people["ada"].json("DELETE", path)[0] == 200


def test_a_page_of_another_site_decides_nothing(client: Client, own_home: Workspace) -> None:
    body = {"pictures": [SHAS[5]], "kind": "drop"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        assert client.json("POST", "/api/selection/decisions", body, **headers)[0] == 403
    assert decisions(own_home) == []


def test_facets_count_values_and_select_the_rows_that_they_count(client: Client) -> None:
    sql = "SELECT asset_sha256, title, licence, iso, camera, photographer FROM v_photos"

    def rows_of(statement: str) -> tuple[str, int]:
        _, started = client.json("POST", "/api/queries", {"sql": statement})
        _, done = client.json("GET", f"/api/queries/{started['query_id']}?wait_s=30")
        assert done["state"] == "done", done["error"]
        return started["query_id"], done["n_rows"]

    query_id, _ = rows_of(sql)
    _, read = client.json("GET", f"/api/queries/{query_id}/facets")
    facets = {facet["column"]: facet["values"] for facet in read["facets"]}
    assert set(facets) == {"licence", "iso", "photographer"}
    assert {each["value"]: each["n"] for each in facets["licence"]} == {
        "CC0": 23,
        "javascript:alert('licence')": 1,
    }
    for values in facets.values():
        for each in values:
            assert rows_of(f"SELECT * FROM (\n{sql}\n) WHERE {each['where']}")[1] == each["n"]
