"""The words of the product code: rates and names that may only fall; the counter itself."""

from pathlib import Path

import pytest

from tests import word_count
from tests.word_count import GOAL, ROOMS, WordLimits, excesses, lowered, read_limits, word_rates

NO_LIMITS: WordLimits = {"rates": {}, "names": {}}


def room_with(root: Path, code: str, name: str = "module") -> Path:
    folder = root / "crawler"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    return root


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_keeps_the_limits_of_vague_words_and_names(room: str) -> None:
    assert excesses(room, read_limits()) == []


def test_every_product_room_is_counted() -> None:
    packages = {path.parent.name for path in word_count.ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= set(ROOMS)
    assert all(word_count.modules_of(room) for room in ROOMS)


def test_words_are_counted_in_code_comments_and_texts_but_not_inside_names(tmp_path: Path) -> None:
    code = 'found = known_rows()  # Found, again\nprint(f"{found}: unknown")\n' + "\n" * 998
    rates = word_rates("crawler", room_with(tmp_path, code))
    assert (rates["found"], rates["known"]) == (3.0, 0.0)


def test_a_rate_above_the_goal_needs_a_limit_of_its_own(tmp_path: Path) -> None:
    root = room_with(tmp_path, "said = 1\n" * 4 + "\n" * 996)
    assert excesses("crawler", NO_LIMITS, root) == [
        f"crawler: said stands 4.0 times in 1,000 lines, {GOAL} is the limit"
    ]
    assert excesses("crawler", {"rates": {"crawler": {"said": 4.0}}, "names": {}}, root) == []


def test_a_vague_name_is_refused_as_an_identifier_or_a_module_and_allowed_in_a_comment(
    tmp_path: Path,
) -> None:
    root = room_with(tmp_path, "def f(wish: int) -> None: ...  # a Desk, in words\n", "places")
    assert excesses("crawler", NO_LIMITS, root) == [
        "crawler: places.py does not use the field's term",
        "crawler: wish does not use the field's term",
    ]


def test_limits_only_fall_and_disappear_at_the_goal(tmp_path: Path) -> None:
    root = room_with(tmp_path, "said = found = 1\nasked = 1\n" * 5 + "crew = Crew()\n" + "\n" * 989)
    old: WordLimits = {
        "rates": {"crawler": {"said": 4.0, "found": 9.0, "told": 8.0}},
        "names": {"crawler": ["Desk"]},
    }
    assert lowered(old, root) == {"rates": {"crawler": {"said": 4.0, "found": 5.0}}, "names": {}}


def test_the_limits_that_are_written_down_are_the_lowest_of_today() -> None:
    limits = read_limits()
    assert lowered(limits) == limits
    assert all(rate > GOAL for rates in limits["rates"].values() for rate in rates.values())
