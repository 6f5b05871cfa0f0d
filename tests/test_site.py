"""The pages of docs/: their commands can be typed, and what is made from the code holds all of it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import safelight
from catalog import SafelightError, Workspace, open_catalog
from docs.site import (
    cli_reference,
    error_reference,
    format_reference,
    http_reference,
    settings_reference,
)
from tests.typed_commands import ROOT, problem_of, typed_commands

PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md"))


def each_command(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from each_command(below, (*words, name))


COMMANDS = dict(each_command(safelight.cli))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_can_be_typed(path: Path) -> None:
    problems = [problem_of(words) for words in typed_commands(path.read_text("utf-8"))]
    assert [problem for problem in problems if problem] == []


def test_commands_of_pages_are_read_at_all() -> None:
    text = "```\nA=b safelight crawl retry --wher 'x' && python3 dev.py run nothing | head\n```\n"
    assert [problem_of(words) for words in typed_commands(text)] == [
        "crawl retry --wher x: No such option '--wher'. "
        "(Did you mean one of: '--home', '--where', '--workers'?)",
        "no command nothing",
    ]
    assert sum(len(typed_commands(path.read_text("utf-8"))) for path in PAGES) > 200


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_help_ends_with_examples_of_this_command_that_can_be_typed(
    words: tuple[str, ...],
) -> None:
    context = click.Context(COMMANDS[words], info_name="safelight", terminal_width=80)
    shown = COMMANDS[words].get_help(context)
    examples = [line.strip() for line in shown.partition("Examples:\n")[2].splitlines()]
    assert examples
    for line in examples:
        typed = shlex.split(line.partition(" < ")[0])[1:]
        assert problem_of(typed) == ""
        own = words if words != ("train", "predict") else ("predict",)
        assert " ".join(own) in " ".join(typed), "an example of another command"


def test_the_command_pages_have_every_command_and_option() -> None:
    assert set(cli_reference.GROUPS) == set(safelight.ROOMS)
    pages = {name: cli_reference.page(name) for name in cli_reference.GROUPS}
    for words, command in COMMANDS.items():
        if not words:
            continue
        section = re.search(
            rf"^#+ safelight {' '.join(words)} \{{.*?(?=^#+ safelight|\Z)",
            pages[words[0]],
            re.MULTILINE | re.DOTALL,
        )
        assert section, words
        options = {name for each in command.params for name in each.opts if name.startswith("--")}
        assert [
            name for name in options - {"--home", "--help"} if f"`{name}`" not in section[0]
        ] == []
    assert "  safelight" not in pages["crawl"], "examples begin at the margin"


def test_the_settings_page_has_every_variable_of_the_code() -> None:
    page = settings_reference.page()
    names = set[str]()
    for room in (*safelight.OURS[:-1], "safelight.py"):
        files = [ROOT / room] if room.endswith(".py") else (ROOT / room).rglob("*.py")
        for path in files:
            names |= set(re.findall(r"[\"'](SAFELIGHT_[A-Z_]*[A-Z])[\"']", path.read_text("utf-8")))
    assert len(names) > 6
    internal = {"SAFELIGHT_COMMAND", "SAFELIGHT_ALLOW_NETWORKS"}  # set by Safelight itself
    assert [
        name for name in names - internal if f"`{name}`" not in page and "STORE" not in name
    ] == []
    for section, (kind, more) in settings_reference.SECTIONS.items():
        assert f"## [{section}]" in page
        assert (ROOT / "docs" / more).exists()
        assert [name for name in kind.__dataclass_fields__ if f"| `{name}` |" not in page] == []
    assert set(settings_reference.SECTIONS) == set(safelight.SETTINGS)


def test_the_error_page_has_every_class_and_exit_code() -> None:
    page = error_reference.page()

    def below(kind: type[Exception]) -> Iterator[type[Exception]]:
        for each in kind.__subclasses__():
            yield each
            yield from below(each)

    ours = [kind for kind in below(SafelightError) if kind.__module__.endswith(".errors")]
    assert len(ours) > 60
    assert [kind for kind in ours if f"`{kind.__name__}`" not in page] == []
    codes = {kind.exit_code for kind in [SafelightError, *ours]}  # type: ignore[attr-defined]  # all are SafelightErrors
    assert [
        code for code in codes | {0, 2, 3, safelight.BROKEN_PIPE} if f"\n| {code} |" not in page
    ] == []


def test_every_error_of_the_code_is_in_a_module_of_the_page() -> None:
    derived = re.compile(
        r"^class \w+\((Safelight|Usage|Catalog|Crawl|Curation|Training)Error\)", re.MULTILINE
    )
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in safelight.OURS[:-1]
        for path in (ROOT / room).rglob("*.py")
        if derived.search(path.read_text("utf-8"))
    }
    assert modules == set(error_reference.MODULES)


def test_the_http_page_has_every_path_and_no_dangling_schema() -> None:
    from catalog.web.openapi.paths import PATHS

    page = http_reference.page()
    assert [path for path in PATHS if f"`{path}`" not in page] == []
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= headings


def test_the_format_page_shows_what_modules_write() -> None:
    page = format_reference.page()
    for text in (
        "catalog.sqlite",
        "length (4 bytes, little endian)",
        "segment.json",
        "safelight-index/1",
        "[[release]]",
    ):
        assert text in page
    assert all(
        (ROOT / "docs" / more).exists() or more.startswith("reference/")
        for *_, more in format_reference.FORMATS
    )


def test_nothing_of_the_site_asks_another_server() -> None:
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert "font: false" in config
    assert not re.findall(r"^\s*-?\s*https?://", config, re.MULTILINE)
    for path in (ROOT / "docs" / "assets").iterdir():
        assert "://" not in path.read_text("utf-8").replace("(file://)", ""), path.name
    assert [
        path for path in PAGES if re.search(r"!\[[^\]]*\]\(https?:", path.read_text("utf-8"))
    ] == []
    assert [path for path in PAGES if "```mermaid" in path.read_text("utf-8")] == []


def test_the_sql_of_all_pages_fits_the_tables(workspace: Workspace) -> None:
    statements = {
        words[2]
        for path in [*PAGES, ROOT / "README.md"]
        for words in typed_commands(path.read_text("utf-8"))
        if words[:2] == ["catalog", "sql"] and len(words) > 2 and " " in words[2]
    }
    assert len(statements) > 15
    with open_catalog(workspace) as tables:
        for statement in statements:
            tables.query(statement, dict.fromkeys(re.findall(r"\$(\w+)", statement), 1) or ())


def test_every_page_stands_in_the_navigation() -> None:
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = set(re.findall(r"[\w/.-]+\.md", config.partition("\nnav:")[2]))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in PAGES}
    assert pages - listed == set(), "add these to nav in mkdocs.yml"
    made = {name for name in listed - pages if not name.startswith(("reference/", "benchmarks/"))}
    assert made == {"changes.md", "contributing.md"}
