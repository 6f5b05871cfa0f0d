"""The shipped questions: SQL in, rows out, on a catalog of known rows."""

from datetime import datetime, timedelta

import pytest

from catalog import QUESTIONS, Catalog, Workspace, open_catalog, rows, write_segment

NOON = datetime(2026, 1, 2, 12)  # noqa: DTZ001 - the catalog keeps UTC without a zone


def fetch(number: int, outcome: str = "done", **more: object) -> dict[str, object]:
    about = {"fetch_id": f"f{number}-{more.get('attempt', 1)}", "crawl_id": "c2", "bytes": 10}
    about |= {"photo_id": f"p{number}", "outcome": outcome, "attempt": 1, "url": f"/{number}"}
    return about | {"fetched_at": NOON + timedelta(minutes=number)} | more


def item(sha: str, split: str, bins: tuple[int | None, ...], weight: float) -> dict[str, object]:
    named = dict(zip(("f_number_bin", "iso_bin", "exposure_time_bin"), bins, strict=True))
    return {
        "run_id": "r2",
        "asset_sha256": sha,
        "source": "made",
        "split": split,
        "weight": weight,
    } | named


def released(version: str, splits: dict[str, str]) -> list[dict[str, object]]:
    return [
        {"dataset": "d", "version": version, "asset_sha256": sha, "split": split}
        for sha, split in splits.items()
    ]


KNOWN: dict[str, list[dict[str, object]]] = {
    "crawls": [
        {
            "crawl_id": "c1",
            "started_at": NOON - timedelta(days=1),
            "finished_at": NOON - timedelta(hours=9),
        },
        {"crawl_id": "c2", "started_at": NOON, "finished_at": NOON + timedelta(hours=1)},
    ],
    "fetches": [
        fetch(1),
        fetch(2),
        fetch(3, "failed", error_class="transient", error="timeout"),
        fetch(3, attempt=2),
        fetch(4, "failed", error_class="final", error="http_404"),
        fetch(5, fetched_at=NOON - timedelta(hours=2)),  # an earlier session
    ],
    "photos": [
        {
            "photo_id": f"p{n}",
            "source": "made",
            "asset_sha256": sha,
            "photographer": who,
            "licence": licence,
            "training_allowed": True,
        }
        for n, sha, who, licence in (
            (1, "a", "Ada", "CC0"),
            (2, "b", "Ada", "CC BY 4.0"),
            (3, "c", "Bob", None),
            (4, None, "Bob", "CC0"),
        )
    ],
    "exif": [
        {
            "asset_sha256": "a",
            "exif_source": "file",
            "camera": "box 1",
            "iso": 100.0,
            "f_number": 2.8,
        },
        {
            "asset_sha256": "b",
            "exif_source": "file",
            "camera": "box 1",
            "iso": 200.0,
            "exposure_time": 0.1,
        },
    ],
    "labels": [
        {
            "label_id": "1",
            "subject_kind": "asset",
            "subject_id": "a",
            "task": "age",
            "value": "30",
            "label_source": "filename",
        },
        {
            "label_id": "2",
            "subject_kind": "asset",
            "subject_id": "a",
            "task": "age",
            "value": "44",
            "label_source": "estimated",
        },
        {
            "label_id": "3",
            "subject_kind": "asset",
            "subject_id": "b",
            "task": "age",
            "value": "9",
            "label_source": "filename",
        },
    ],
    "curation_runs": [
        {"run_id": "r1", "finished_at": NOON},
        {"run_id": "r2", "finished_at": NOON + timedelta(hours=2)},
    ],
    "curated_items": [
        item("a", "train", (0, 0, None), 3.0),
        item("b", "train", (2, 0, 2), 1.0),
        item("c", "test", (0, 1, 2), 1.0),
    ],
    "duplicate_groups": [
        {
            "run_id": "r2",
            "group_id": "g",
            "asset_sha256": sha,
            "is_keeper": sha == "a",
            "method": "pdq",
            "similarity": 0.9,
        }
        for sha in "ab"
    ],
    "decisions": [
        {
            "run_id": "r2",
            "asset_sha256": sha,
            "decision": "drop",
            "rule": "duplicates@1",
            "reason": "near_duplicate",
        }
        for sha in "xy"
    ],
    "datasets": [
        {"dataset": "d", "version": version, "created_at": NOON + timedelta(hours=hour)}
        for version, hour in (("1.0.0", 1), ("1.1.0", 2))
    ],
    "dataset_items": released("1.0.0", {"a": "train", "b": "train"})
    + released("1.1.0", {"a": "test", "c": "train"}),
    "models": [{"model_id": "m", "dataset": "d", "version": "1.1.0", "trained_at": NOON}],
    "predictions": [
        {
            "model_id": "m",
            "asset_sha256": sha,
            "task": "iso",
            "probabilities": [p, 1 - p, 0.0],
            "target": 0,
            "nll": nll,
            "split": "test",
        }
        for sha, p, nll in (("a", 0.9, 0.1), ("c", 0.2, 1.6))
    ]
    + [
        {"model_id": "m", "asset_sha256": sha, "task": "age", "split": "test", "kind": "regression"}
        | {"value": value, "target_value": 40.0, "answer": f'{{"value": {value}, "unit": "years"}}'}
        for sha, value in (("a", 30.0), ("c", 42.0))
    ]
    + [
        {"model_id": "m", "asset_sha256": "b", "task": "breed", "split": "test", "kind": "softmax"}
        | {"probabilities": [0.4, 0.6], "predicted": 1, "target": 0, "nll": 0.9, "value": 1.0}
        | {"answer": '{"class": "<pug>", "probabilities": {"a & b": 0.4, "<pug>": 0.6}}'}
    ],
    "metrics": [
        {"model_id": "m", "split": "split:test", "slice": "all", "predictor": predictor}
        | {"task": task, "metric": metric, "value": value}
        for task, metric, predictor, value in (
            ("age", "mae", "model", 4.0),
            ("age", "mae", "median", 9.0),
            ("age", "rmse", "model", 6.0),
            ("breed", "balanced_accuracy", "model", 0.7),
            ("breed", "balanced_accuracy", "majority", 0.5),
        )
    ],
}


@pytest.fixture
def known(workspace: Workspace) -> Catalog:
    write_segment(workspace, {name: rows(name, listed) for name, listed in KNOWN.items()}, job="x")
    catalog = open_catalog(workspace)
    catalog.commit()
    return catalog


def ask(catalog: Catalog, name: str, **given: object) -> list[dict[str, object]]:
    question = QUESTIONS[name]
    values: dict[str, object] = {each.name: each.default for each in question.parameters}
    return catalog.records(question.sql, values | given)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_new_workspace_can_be_asked_too(workspace: Workspace, name: str) -> None:
    with open_catalog(workspace) as catalog:
        assert ask(catalog, name) == []


def test_there_are_eleven_with_a_title_and_an_answer() -> None:
    assert len(QUESTIONS) == 11
    assert all(q.title.endswith("?") and q.answer.endswith(".") for q in QUESTIONS.values())


def test_each_gives_the_right_rows(known: Catalog) -> None:
    with known:
        ended = {(r["outcome"], r["error"]): r["photos"] for r in ask(known, "last_crawl")}
        assert ended == {("done", None): 3, ("failed", "http_404"): 1}
        assert ask(known, "yield_by_source") == [
            {
                "source": "made",
                "photos": 4,
                "files": 3,
                "kept": 3,
                "kept_share": 1.0,
                "may_train": 4,
            }
        ]
        missing = {r["camera"]: r for r in ask(known, "missing_exif")}
        assert missing["box 1"]["f_number_missing_share"] == 0.5
        assert missing["box 1"]["iso_missing_share"] == 0.0
        assert missing["unknown"]["photos"] == 1
        bins = {(r["setting"], r["class"]): r for r in ask(known, "class_balance")}
        assert bins["f_number", "low"]["pictures"] == 2
        assert bins["f_number", "low"]["share_before"] == 0.5
        assert bins["f_number", "low"]["share_after"] == 0.75
        assert ("exposure_time", "low") not in bins
        assert [(r["members"], r["asset_sha256"]) for r in ask(known, "largest_groups")] == [
            (2, "a")
        ]
        assert [
            (r["reason"], r["pictures"], r["asset_sha256"]) for r in ask(known, "dropped_by_rule")
        ] == [("near_duplicate", 2, "x")]
        changes = [
            (r["change"], r["old_split"], r["new_split"], r["pictures"])
            for r in ask(known, "changes")
        ]
        assert changes == [
            ("added", None, "train", 1),
            ("moved", "train", "test", 1),
            ("removed", "train", None, 1),
        ]
        assert ask(known, "changes", old="1.1.0", new="1.1.0") == []
        assert [r["statements"] for r in ask(known, "label_disagreement")] == [
            ["44 (estimated)", "30 (filename)"]
        ]
        worst = ask(known, "worst_errors")
        answers = [(r["asset_sha256"], r["answer"]) for r in worst if r["task"] == "iso"]
        assert answers == [("c", 1), ("a", 0)]
        assert [(r["task"], r["asset_sha256"]) for r in worst] == [
            ("age", "a"), ("iso", "c"), ("breed", "b"), ("age", "c"), ("iso", "a"),
        ], "an error of a value counts in units of the mean error"  # fmt: skip
        classes = {r["task"]: (r["true_class"], r["predicted_class"]) for r in worst}
        assert classes == {"age": (None, None), "iso": ("low", None), "breed": ("a & b", "<pug>")}
        assert [(r["true_value"], r["error"]) for r in worst if r["task"] == "age"] == [
            (40.0, 10.0),
            (40.0, 2.0),
        ]
        assert ask(known, "worst_errors", model="other") == []
        uses = [
            (r["asset_sha256"], r["version"], r["model_id"])
            for r in ask(known, "photographer_uses", photographer="Ada")
        ]
        assert uses == [("a", "1.0.0", None), ("a", "1.1.0", "m"), ("b", "1.0.0", None)]
        mix = {r["licence"]: r["share"] for r in ask(known, "licence_mix")}
        assert mix == {"CC0": 0.5, "not stated": 0.5}
        assert {r["licence"] for r in ask(known, "licence_mix", version="1.0.0")} == {
            "CC0",
            "CC BY 4.0",
        }


def test_the_views_on_labels_and_uses(known: Catalog) -> None:
    with known:
        best = known.records(
            "SELECT subject_id, value, label_source, answers FROM v_labels ORDER BY subject_id"
        )
        assert best == [
            {"subject_id": "a", "value": "30", "label_source": "filename", "answers": 2},
            {"subject_id": "b", "value": "9", "label_source": "filename", "answers": 1},
        ]
        uses = known.records("SELECT model_id FROM v_uses WHERE asset_sha256 = 'c'")
        assert uses == [{"model_id": "m"}]


def test_the_views_on_figures_and_predictions_hold_heads_of_every_family(known: Catalog) -> None:
    with known:
        best = known.records("SELECT task, predictor, metric FROM v_leaderboard")
        assert [tuple(row.values()) for row in best] == [
            ("age", "model", "mae"),
            ("age", "median", "mae"),
            ("breed", "model", "balanced_accuracy"),
            ("breed", "majority", "balanced_accuracy"),
        ], "a lower error is better"
        worst = known.records("SELECT * EXCLUDE (model_id, page_url) FROM v_worst_predictions")
        assert [(r["asset_sha256"], r["heads"]) for r in worst] == [("c", 2), ("b", 1), ("a", 2)]
        assert worst[0]["mean_nll"] == 1.6
        assert worst[0]["mean_error"] == pytest.approx(2 / 6)
        assert worst[1]["mean_error"] is None
