"""The map in CONTRIBUTING.md: questions about the code, each with a file that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def answers() -> list[tuple[str, list[str]]]:
    """Read the table: each question with the paths of its answer, in their order."""
    section = TEXT.split("## Where things are")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [
        (question, re.findall(r"`([\w/]+(?:\.py|/))`", answer)) for question, answer in rows[2:]
    ]


def test_the_map_answers_at_least_twenty_questions_each_once() -> None:
    questions = [question for question, _ in answers()]
    assert len(questions) == len(set(questions)) >= 20
    assert all(question.endswith("?") for question in questions)
    assert {"Where is a host's rate kept?", "What happens to a killed commit?"} <= set(questions)


@pytest.mark.parametrize(("question", "paths"), answers())
def test_the_files_that_answer_a_question_exist(question: str, paths: list[str]) -> None:
    assert paths, f"no file answers: {question}"
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_path_of_the_guide_exists() -> None:
    named = re.findall(r"`((?:catalog|crawler|curation|photosite|training|tests)/[\w/.]+)`", TEXT)
    assert [path for path in named if not (ROOT / path).exists()] == []
