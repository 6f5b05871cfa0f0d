#!/usr/bin/env python3
"""Count vague words in the product code, and names that do not use the field's terms. Needs Python 3.11+ only.

    python3 dev.py words           rates per 1,000 lines of each room, names that are left; exit code 1 above a limit
    python3 dev.py words --lower   write the rates of today into tests/word_limits.json where they are lower

`found = rows(...)` says less than `rows = ...`, and `Desk` less than `ReviewSession`. The goal of every room is at most
`GOAL` of each word in 1,000 lines, comments included, and none of the names. Until a room is there, its limit in
word_limits.json only goes down.
"""

import io
import json
import math
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parents[1]
LIMITS = Path(__file__).with_name("word_limits.json")
ROOMS = ("catalog", "crawler", "curation", "photosite", "training", "benchmarks", "examples", ".")
WORDS = ("found", "known", "said", "wanted", "asked", "told")
GOAL = 3.0  # of each word in 1,000 lines

NAMES = frozenset(
    {
        "Answer", "Asked", "Bench", "Book", "Bring", "Brought", "Crew", "Desk", "Doors", "Kept", "KeepRules", "Look",
        "Moments", "Patience", "Wanted", "_bury", "bury", "donuts", "heed_revocations", "lets_go", "put_away",
        "strange_packs", "stranger", "wish",
    }
)  # fmt: skip
MODULES = frozenset(
    {
        "answers", "asked", "asking", "children", "closest", "components", "contents", "crawling", "crew", "donuts",
        "facts", "places", "running", "shots", "units", "writing",
    }
)  # fmt: skip


class WordLimits(TypedDict):
    """What is allowed until the goal is reached: rates above it, and the names that are left, by room."""

    rates: dict[str, dict[str, float]]
    names: dict[str, list[str]]


def modules_of(room: str, root: Path = ROOT) -> list[Path]:
    """List the Python files of a room; the room `.` holds the two scripts of the main folder."""
    return sorted(root.glob("*.py") if room == "." else (root / room).rglob("*.py"))


def count_words(text: str) -> Counter[str]:
    """Count the words of `WORDS` in code, comments and texts; parts of longer names do not count.

    >>> count_words("Found = asked_for(known)  # not found") == {"found": 2, "known": 1}
    True
    """
    words = re.findall(r"\w+", text.lower())
    return Counter(word for word in words if word in WORDS)


def word_rates(room: str, root: Path = ROOT) -> dict[str, float]:
    """Return the number of each word in 1,000 lines of a room."""
    texts = [path.read_text("utf-8") for path in modules_of(room, root)]
    lines = sum(text.count("\n") for text in texts)
    counts = sum(map(count_words, texts), Counter[str]())
    return {word: 1000 * counts[word] / max(lines, 1) for word in WORDS}


def identifiers(code: str) -> Iterator[str]:
    """Yield every name in Python code; words in comments and texts are not names."""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.NAME:
            yield token.string


def vague_names(room: str, root: Path = ROOT) -> list[str]:
    """List the names of `NAMES` and the modules of `MODULES` that a room has, as `name` and `name.py`."""
    names: set[str] = set()
    for path in modules_of(room, root):
        names |= NAMES.intersection(identifiers(path.read_text("utf-8")))
        names |= {path.name} if path.stem in MODULES else set()
    return sorted(names)


def read_limits(path: Path = LIMITS) -> WordLimits:
    """Read the limits."""
    limits: WordLimits = json.loads(path.read_text("utf-8"))
    return limits


def excesses(room: str, limits: WordLimits, root: Path = ROOT) -> list[str]:
    """Return a sentence for each word above its limit and each name that is new; none in a room that keeps both."""
    allowed = limits["rates"].get(room, {})
    sentences = [
        f"{room}: {word} stands {rate:.1f} times in 1,000 lines, {max(GOAL, allowed.get(word, 0)):.1f} is the limit"
        for word, rate in word_rates(room, root).items()
        if rate > max(GOAL, allowed.get(word, 0))
    ]
    names = set(vague_names(room, root)).difference(limits["names"].get(room, []))
    return sentences + [f"{room}: {name} does not use the field's term" for name in sorted(names)]


def lowered(limits: WordLimits, root: Path = ROOT) -> WordLimits:
    """Return the limits of today: nothing rises, and what has reached the goal is left out."""
    rates: dict[str, dict[str, float]] = {}
    for room, old in limits["rates"].items():
        new = {word: _round_up(rate) for word, rate in word_rates(room, root).items()}
        rates[room] = {w: min(old[w], new[w]) for w in WORDS if w in old and new[w] > GOAL}
    names = {
        room: [name for name in vague_names(room, root) if name in old]
        for room, old in limits["names"].items()
    }
    return {
        "rates": {room: values for room, values in rates.items() if values},
        "names": {room: values for room, values in names.items() if values},
    }


def _round_up(rate: float) -> float:
    """Round up to a whole number, so that a few lines more or less elsewhere do not break a limit."""
    return float(math.ceil(rate))


def table(rates: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the lines of the table of rates."""
    yield f"{'in 1,000 lines':<16}" + "".join(f"{word:>8}" for word in WORDS)
    for room, by_word in rates.items():
        cells = "".join(f"{by_word[word]:>8.1f}" for word in WORDS)
        yield f"{room if room != '.' else 'safelight, dev':<16}{cells}"


def main(arguments: Sequence[str]) -> int:
    """Print rates, names and excesses; return 1 when a limit is exceeded."""
    limits = read_limits()
    if "--lower" in arguments:
        limits = lowered(limits)
        LIMITS.write_text(json.dumps(limits, indent=1, sort_keys=True) + "\n", "utf-8")
    print("\n".join(table({room: word_rates(room) for room in ROOMS})))
    for room in ROOMS:
        if names := vague_names(room):
            print(f"{room}: {', '.join(names)}")
    problems = [sentence for room in ROOMS for sentence in excesses(room, limits)]
    print("\n".join(problems) or f"within the limits; the goal is {GOAL:.1f} of each word")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
