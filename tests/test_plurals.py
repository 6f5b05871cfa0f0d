"""No message counts "1 photos": counted nouns go through one helper."""

import re
from pathlib import Path

import pytest

from catalog import counted

ROOT = Path(__file__).parents[1]
# A bare number before a plural in a text that is printed or raised.
COUNT = re.compile(
    r"\{(?:len\([^{}]*\)|n|n_\w+|\w+\.n|\w+\.n_\w+|found\.\w+|done\.\w+|waiting|left|written)(?::,)?\} "
    r"(?:photos|files|rows|problems|pictures|items|segments|packs|entries|releases|models|shards|keys|lines|hosts|"
    r"pairs|groups|labels|faces|classes|runs|crawls|versions)\b"
)
# Left as they are: numbers that are not 1, that stand beside a unit, or are those of an assertion.
MAY = (
    "curation/stages/cluster.py",
    "training/report/comparison_page.py",
    "training/data/dataset.py",
    "catalog/web/",
    "curation/report/",
    "crawler/report/templates/",
    "benchmarks/",
)


@pytest.mark.parametrize("room", ["catalog", "crawler", "curation", "training"])
def test_commands_count_with_the_helper(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for match in COUNT.finditer(path.read_text("utf-8"))
        if not path.relative_to(ROOT).as_posix().startswith(MAY)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("n", "noun", "verb", "text"),
    [
        (1, "entry", "", "1 entry"), (0, "entry", "", "0 entries"), (2, "batch", "", "2 batches"),
        (1, "query", "waits", "1 query waits"), (3, "query", "waits", "3 queries wait"),
        (2, "known photo", "matches", "2 known photos match"), (12_345, "key", "was", "12,345 keys were"),
        (2, "address", "has", "2 addresses have"), (2, "day", "", "2 days"),
    ],
)  # fmt: skip
def test_nouns_and_verbs_agree(n: int, noun: str, verb: str, text: str) -> None:
    assert counted(n, noun, verb) == text
