"""Texts that a spreadsheet would take for formulas are defused in CSV downloads."""

import pytest

from catalog.sandbox.results.formats import harmless


@pytest.mark.parametrize(
    "hidden",
    [
        *("=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|' /C calc'!A0"),
        *("\n=1+1", "\r\n=1+1", "\t=1+1", "\v\f=1+1", " =1+1", "\xa0=1+1", "\u3000=1+1", "\x01=1+1"),
        *("\u200b=1+1", "\ufeff=1+1", "\u2060\u202e=1+1", "\ufe0f=1+1", "\u3164=1+1"),
        *("\uff1d1+1", "\uff0b1+1", "\uff0d1+1", "\uff20x", "\ufe661", "\ufe621", "\u207c1", "\u22121+1"),
    ],
)  # fmt: skip
def test_no_disguise_hides_a_formula_from_the_guard(hidden: str) -> None:
    assert harmless(hidden).startswith("'"), repr(hidden)
    for end in (";", "\t", "\n", "\r", "|"):  # where separators other than the comma are usual
        assert (
            harmless(f"a{end}{hidden}").removeprefix(f"a{end}").lstrip("\r\n\t\v\f").startswith("'")
        )


@pytest.mark.parametrize(
    "plain", ["", "a-b", "-1.5", "+2e3", "1=1", "'=1", "a; b", "Zoë", "x@y.example"]
)
def test_the_guard_leaves_harmless_texts_alone(plain: str) -> None:
    assert harmless(plain) == plain
