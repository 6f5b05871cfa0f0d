"""`safelight init` and `safelight doctor`: what they make, what they see, how they end."""

import json
import re
import socket
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

import safelight
from catalog import Workspace, load_settings, open_catalog, rows, write_segment
from catalog.commands.setup import doctor
from catalog.setup import installation
from catalog.setup.machine import port_check
from catalog.setup.starter_settings import TEXT
from catalog.setup.workspace_health import catalog_checks, settings_checks


def write_photo(workspace: Workspace, name: str) -> None:
    photo = {"source": "folder", "source_photo_id": name, "photo_id": name}
    write_segment(workspace, {"photos": rows("photos", [photo])}, job=name)


def run(*words: str) -> tuple[int, str]:
    try:
        result = CliRunner().invoke(safelight.cli, list(words), catch_exceptions=False)
    except safelight.SafelightError as error:
        return error.exit_code, str(error)
    return result.exit_code, result.output


def test_init_makes_a_workspace_whose_settings_are_all_comments(tmp_path: Path) -> None:
    code, shown = run("init", str(tmp_path / "new home"))
    assert code == 0
    assert f"export SAFELIGHT_HOME='{tmp_path / 'new home'}'" in shown
    workspace = Workspace.existing(tmp_path / "new home")
    text = (workspace.home / "safelight.toml").read_text("utf-8")
    assert not any(tomllib.loads(text).values())
    assert {check.state for check in settings_checks(workspace, safelight.SETTINGS)} == {"ok"}


def test_init_changes_nothing_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "safelight.toml").write_text("[crawl]\nrate = 1.5\n")
    code, shown = run("init", str(tmp_path))
    assert (code, "is there already" in shown) == (0, True)
    assert (tmp_path / "safelight.toml").read_text() == "[crawl]\nrate = 1.5\n"


def test_init_asks_for_no_folder_where_nobody_can_answer(tmp_path: Path) -> None:
    code, shown = run("init")
    assert code == 1
    assert "init DIR" in shown
    assert run("--home", str(tmp_path / "x"), "init")[0] == 0
    assert (tmp_path / "x" / "safelight.toml").is_file()


def test_the_starter_settings_are_the_defaults(workspace: Workspace) -> None:
    active = re.sub(r"^# (?=\w+ = )", "", TEXT, flags=re.MULTILINE)
    (workspace.home / "safelight.toml").write_text(active)
    listed = tomllib.loads(active)
    assert set(listed) == set(safelight.SETTINGS)
    assert sum(map(len, listed.values())) > 20
    for section, where in safelight.SETTINGS.items():
        module, name = where.split(":")
        kind: type[Any] = getattr(import_module(module), name)
        assert load_settings(kind, section, workspace, {}) == kind(), section


def test_doctor_sees_a_sound_workspace(workspace: Workspace) -> None:
    code, shown = run("doctor", "--json", "--home", str(workspace.home))
    assert code == 0
    report = json.loads(shown)
    assert report["ok"] is True
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert states["extension ducklake"] == states["catalog"] == states["extra train"] == "ok"
    assert {"python", "machine", "gpu", "disk", "port", "settings", "sandbox"} <= set(states)
    assert set(states.values()) <= {"ok", "note"}


def test_doctor_without_a_workspace_makes_none(tmp_path: Path) -> None:
    code, shown = run("doctor", "--home", str(tmp_path / "none"))
    assert code == 0
    assert re.search(
        r"^note +catalog +no workspace at .*none; safelight init$", shown, re.MULTILINE
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("[crawl]\nratte = 1\n", "[crawl] has no setting 'ratte'; did you mean rate?"),
        ("[crawls]\nrate = 1\n", "there is no section [crawls]"),
        ("[train]\nthreads = 'many'\n", "train.threads must be of type int"),
        ("not toml", "safelight.toml cannot be read"),
    ],
)
def test_a_wrong_setting_of_any_room_is_a_problem(
    workspace: Workspace, settings: str, expected: str
) -> None:
    (workspace.home / "safelight.toml").write_text(settings)
    checks = list(settings_checks(workspace, safelight.SETTINGS))
    assert [check.state for check in checks] == ["problem"]
    assert expected in checks[0].value
    assert "safelight.toml" in checks[0].advice


def test_doctor_ends_with_code_one_on_a_problem(workspace: Workspace) -> None:
    (workspace.home / "safelight.toml").write_text("[serve]\nprot = 1\n")
    code, shown = run("doctor", "--home", str(workspace.home))
    assert (code, shown) == (1, "1 problem; the lines above say what to do")


def test_a_damaged_table_file_and_waiting_work_are_seen(workspace: Workspace) -> None:
    write_photo(workspace, "a")
    with open_catalog(workspace) as tables:
        tables.commit()
    assert [check.state for check in catalog_checks(workspace)] == ["ok"]
    write_photo(workspace, "b")
    [*_, spool] = catalog_checks(workspace)
    assert (spool.name, spool.state) == ("spool", "note")
    for path in (workspace.lake / "data").rglob("*.parquet"):
        path.unlink()
    assert "problem" in {check.state for check in catalog_checks(workspace)}


def test_a_taken_port_is_a_note() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        check = port_check("127.0.0.1", port)
    assert (check.state, "--port" in check.advice) == ("note", True)
    assert port_check("127.0.0.1", port).state == "ok"


def test_a_library_that_is_missing_or_too_old_is_named() -> None:
    misfit = installation._misfit
    assert misfit(Requirement("no-such-library>=1")) == "no-such-library"
    assert re.fullmatch(r"pillow>=999 \(there is [\d.]+\)", misfit(Requirement("pillow>=999")))
    assert misfit(Requirement("pillow>=1")) == ""
    extras = {check.name: check for check in installation.extras_checks()}
    assert set(extras) >= {"extra crawl", "extra curate", "extra train", "extra serve"}
    assert not {"extra all", "extra dev", "extra docs"} & set(extras)


def test_the_help_of_doctor_says_how_it_ends() -> None:
    assert "exit code is 1" in (doctor.help or "")
