import gzip

import numpy as np
import polars as pl
import pytest

from curation.review.confident_learning import confident_other_classes, out_of_fold
from curation.review.label_audit import LabelIssue, conflicts, similarity_issues
from curation.similarity.neighbours import compact
from curation.splits.closest_pairs import Vectors
from tests.real_data import REAL, needs

NOISE = 0.1


def clusters(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw unit vectors around the centres of classes, and labels of which a tenth is wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    vectors = rng.normal(size=(classes, 32))[truth] + 1.2 * rng.normal(size=(n, 32))
    return unit(vectors), truth, noisy(truth, classes, rng)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def noisy(truth: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    wrong = rng.random(len(truth)) < NOISE
    return np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)


def table(labels: np.ndarray, groups: list[str] | None = None) -> pl.DataFrame:
    names = [f"{place:05d}" for place in range(len(labels))]
    text = [f"class {label}" for label in labels]
    return pl.DataFrame({"asset_sha256": names, "value": text, "group_id": groups or names})


def issues_of(vectors: np.ndarray, labels: np.ndarray) -> list[LabelIssue]:
    listed = table(labels)
    return similarity_issues(
        Vectors(tuple(listed["asset_sha256"]), compact(vectors)), listed, "kind"
    )


def precision(issues: list[LabelIssue], is_wrong: np.ndarray, k: int) -> float:
    return float(np.mean([is_wrong[int(issue.asset_sha256)] for issue in issues[:k]]))


def test_planted_wrong_labels_come_first() -> None:
    vectors, truth, labels = clusters(600, 4)
    is_wrong = labels != truth
    issues = issues_of(vectors, labels)
    k = int(is_wrong.sum())
    assert precision(issues, is_wrong, k) > 0.9
    assert is_wrong.mean() < 0.15, "a random choice is right that often"
    assert issues[0].detail["suggested"] == f"class {truth[int(issues[0].asset_sha256)]}"
    assert [issue.severity for issue in issues] == sorted(
        (d.severity for d in issues), reverse=True
    )


def test_right_labels_of_clear_classes_are_not_doubted() -> None:
    vectors, truth, _ = clusters(400, 4)
    assert len(issues_of(vectors, truth)) < 4


@needs("digits")
def test_wrong_labels_planted_among_real_digits_are_found() -> None:
    pixels = np.frombuffer(read("images"), np.uint8, offset=16).reshape(-1, 784)[:1500]
    truth = np.frombuffer(read("labels"), np.uint8, offset=8)[:1500].astype(np.int64)
    labels = noisy(truth, 10, np.random.default_rng(1))
    is_wrong = labels != truth
    issues = issues_of(unit(pixels.astype(np.float64)), labels)
    assert precision(issues, is_wrong, 50) >= 0.95  # a random choice is right one time in ten
    assert precision(issues, is_wrong, 100) >= 0.85
    assert precision(issues, is_wrong, int(is_wrong.sum())) >= 0.75


def read(kind: str) -> bytes:
    (path,) = (REAL / "digits").glob(f"*{kind}*")
    body = path.read_bytes()
    return gzip.decompress(body) if path.suffix == ".gz" else body


def test_a_copy_is_no_witness() -> None:
    vectors, truth, _ = clusters(100, 2)
    doubled = np.concatenate([vectors, vectors])
    labels = np.concatenate([truth, truth])
    labels[[0, 100]] = 1 - truth[0]  # the copy has the same wrong label
    names = [f"{place:05d}" for place in range(200)]
    listed = table(labels, [names[place % 100] for place in range(200)])
    issues = similarity_issues(Vectors(tuple(names), compact(doubled)), listed, "kind")
    assert {"00000", "00100"} <= {issue.asset_sha256 for issue in issues}


def test_a_number_far_from_those_of_similar_pictures_is_an_outlier() -> None:
    vectors, truth, _ = clusters(300, 3)
    ages = 20 + 25 * truth + np.random.default_rng(0).integers(-5, 6, 300)
    ages[7] = 99 if truth[7] == 0 else 1
    listed = table(ages).with_columns(value=pl.Series([str(age) for age in ages]))
    issues = similarity_issues(
        Vectors(tuple(listed["asset_sha256"]), compact(vectors)), listed, "age"
    )
    assert issues[0].asset_sha256 == "00007"
    assert issues[0].detail["label"] == ages[7]


def test_copies_that_contradict_each_other_are_found_and_worse_the_further_apart() -> None:
    statements = pl.DataFrame(
        {
            "kept": ["a", "a", "b", "b", "c"],
            "asset_sha256": ["a", "x", "b", "b", "c"],
            "value": ["cat", "dog", "cat", "cat", "dog"],
        }
    )
    (issue,) = conflicts(statements, "kind")
    assert (issue.asset_sha256, issue.severity) == ("a", 1.0)
    assert issue.detail == {"task": "kind", "values": ["cat", "dog"], "pictures": ["a", "x"]}
    ages = pl.DataFrame(
        {
            "kept": [*"aabb", *map(str, range(40))],
            "asset_sha256": [*"axby", *map(str, range(40))],
            "value": ["20", "21", "20", "60", *map(str, range(20, 60))],
        }
    )
    near, far = conflicts(ages, "age")
    assert near.severity < 0.1
    assert far.severity > 0.5


def test_too_few_pictures_or_one_class_give_no_doubt() -> None:
    vectors, truth, _ = clusters(30, 2)
    assert issues_of(vectors[:5], truth[:5]) == []
    assert issues_of(vectors, np.zeros(30, np.int64)) == []


@pytest.mark.slow
def test_confident_learning_agrees_with_cleanlab() -> None:
    from cleanlab.filter import find_label_issues  # takes seconds to import

    vectors, _, labels = clusters(800, 5, seed=3)
    probabilities = out_of_fold(vectors.astype(np.float64), labels, np.arange(800))
    theirs = find_label_issues(
        labels, probabilities, filter_by="confident_learning", n_jobs=1, multi_label=False
    )
    ours = confident_other_classes(probabilities, labels) >= 0
    assert ours.sum() > 40
    assert (ours == theirs).mean() > 0.995


@pytest.mark.filterwarnings("error")
def test_a_rare_label_gives_no_warning() -> None:
    features = np.random.default_rng(0).normal(size=(40, 3))
    labels = np.array([0] * 37 + [1] * 3)
    probabilities = out_of_fold(features, labels, np.arange(40))
    assert probabilities.shape == (40, 2)
    assert not np.isnan(probabilities).any()
