"""What the README says can be typed can be typed."""

import re
import shlex
from pathlib import Path

import click
import pytest

import dev
import safelight

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    lines = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]
    words = [
        shlex.split(line)
        for line in lines
        if line.startswith(("safelight ", "python3 dev.py run "))
    ]
    return [w[1:] if w[0] == "safelight" else w[3:] for w in words]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_of_the_readme_exists(words: list[str]) -> None:
    command: click.Command = safelight.cli
    for depth, word in enumerate(words):
        if not isinstance(command, click.Group):
            break
        found = command.get_command(click.Context(command), word)
        assert found, f"no command {' '.join(words[: depth + 1])}"
        command = found
    known = {flag for parameter in command.params for flag in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known | {"--format", "--as-of"}


def test_no_command_of_the_readme_has_a_pipe_that_stands_for_a_choice() -> None:
    assert not [" ".join(words) for words in commands() if "|" in words]


def test_the_two_commands_stand_first_and_exist() -> None:
    assert BLOCKS[0].split()[:3] == ["python3", "dev.py", "demo"]
    assert set(re.findall(r"dev\.py (\w+)", README)) <= set(dev.EXTRAS)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def measured() -> list[tuple[str, str]]:
    """List the sentences of the section "Measured" with the table that they quote: their own, or the last one named."""
    section = README[README.index("## Measured") : README.index("## Honest limits")]
    sentences, table = [], ""
    for item in section.split("\n- ")[1:]:
        table = (re.findall(r"benchmarks/results/[\w.-]+", item) or [table])[-1]
        sentences.append((re.sub(r"\(\[.*?\]\(.*?\)\)|\*\*|`[^`]*`", "", item), table))
    return sentences


@pytest.mark.parametrize(("sentence", "table"), measured())
def test_every_figure_of_the_readme_stands_in_its_table(sentence: str, table: str) -> None:
    text = (ROOT / table).read_text("utf-8").replace(",", "").replace(" million", "000000")
    numbers = re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", text)
    for shown in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?: million)?", sentence):
        figure = shown.rstrip(",").replace(",", "").replace(" million", "000000")
        digits = len(figure.partition(".")[2])
        rounded = {f"{float(number):.{digits}f}" for number in numbers}
        assert figure in rounded, f"{shown} is not in {table}"


def test_each_sentence_of_the_measurements_has_a_table() -> None:
    assert len(measured()) > 8
    assert all(table for _, table in measured())
