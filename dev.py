#!/usr/bin/env python3
"""The commands of a developer: demo, test, check, docs, bench, words. Needs Python 3.11+ and nothing else.

    python3 dev.py demo          crawl, curate, publish and train on the embedded photo site
    python3 dev.py test          the test suite; more arguments go to pytest
    python3 dev.py test --long   tests of several seconds each, or in a browser; --all runs all, those of minutes too
    python3 dev.py check         ruff, format, mypy, import contracts
    python3 dev.py docs [serve]  build the documentation into ./site, strictly; serve shows it while you write
    python3 dev.py bench [all]   lists the benchmarks and tables that are old; all runs them in turn
    python3 dev.py bench NAME    one benchmark of benchmarks/, more arguments go to it
    python3 dev.py run ...       the command `safelight` itself
    python3 dev.py words         vague words and names in the code, beside their limits

It makes `.venv` beside this file and installs what the job needs, once.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
EXTRAS = {
    "demo": "crawl,curate,train,serve,shell",  # as `run`: the demo ends with the command that serves its pictures
    "run": "crawl,curate,train,serve,shell",
    "bench": "all,dev",
    "test": "all,dev",
    "check": "all,dev",
    "docs": "all,docs",
}
MARKS = {"--long": "long and not slow", "--all": ""}
"""Tests to choose, by the option of `test`; no mark chooses all."""
# The workers of the test suite share the cores, so the threads of libraries would only slow them down.
ONE_THREAD = {"SAFELIGHT_SQL_THREADS": "1", "OMP_NUM_THREADS": "1"}
# pip compiles nothing (see `install`). An interpreter that does not store byte code compiles all modules at each start,
# which takes three times as long, and the tests start hundreds of processes.
STORE_BYTE_CODE = {"PYTHONDONTWRITEBYTECODE": ""}
# What a crawl, a curation and a training import, and what torch imports for its first optimiser and export.
IMPORTED = (
    "crawler.commands.crawl, crawler.session.session, curation.run.run, curation.report.report, training.runs.run, "
    "training.report.report, training.explain.picture_maps, torch._dynamo, "
    "torch.onnx._internal.torchscript_exporter.utils, sklearn.linear_model, matplotlib.pyplot, scrapy.crawler"
)
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)


def main(arguments: Sequence[str]) -> int:
    """Do one job and return its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells an older Python so
        return fail(f"Safelight needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    job, rest = (arguments[0], list(arguments[1:])) if arguments else ("", [])
    if job == "words":  # needs no installation
        return call([sys.executable, ROOT / "tests" / "word_count.py", *rest])
    if job not in EXTRAS:
        print(__doc__)
        return 0 if job in ("", "-h", "--help") else 2
    if problem := install(EXTRAS[job]):
        return fail(problem)
    jobs = {"demo": demo, "test": test, "check": check, "docs": docs, "bench": bench, "run": run}
    return jobs[job](rest)


def demo(rest: list[str]) -> int:
    """Run the whole pipeline on the embedded photo site."""
    return call([PYTHON, "-m", "safelight", "demo", "run", *rest], named_command())


def test(rest: list[str]) -> int:
    """Run the test suite on all cores, with a worker more than cores: tests wait for servers and children."""
    chosen = next((MARKS[option] for option in rest if option in MARKS), "not slow and not long")
    more = [argument for argument in rest if argument not in MARKS]
    has_workers = any(argument.startswith("-n") for argument in more)
    count = str((os.cpu_count() or 1) + 1)
    workers = [] if has_workers else ["-n", count, "--dist", "loadfile", "--no-loadscope-reorder"]
    return call([PYTHON, "-m", "pytest", "-m", chosen, *workers, *more], ONE_THREAD)


def check(_rest: list[str]) -> int:
    """Run every check and report all that fail."""
    failed = []
    for tool, *flags in CHECKS:
        print(f"== {tool} {' '.join(flags)}", flush=True)
        if call([PYTHON.parent / tool, *flags]):
            failed.append(tool)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def docs(rest: list[str]) -> int:
    """Build the site: a link or an anchor that leads nowhere fails it."""
    words = rest or ["build", "--strict"]
    code = call([PYTHON, "-m", "mkdocs", *words], ONE_THREAD | {"NO_MKDOCS_2_WARNING": "1"})
    if not code and not rest:
        print(f"open {ROOT / 'site' / 'index.html'}; it needs no server and no network")
    return code


def bench(rest: list[str]) -> int:
    """Run one benchmark with its arguments; otherwise the suite, which lists them or runs them in turn."""
    path = ROOT / "benchmarks" / f"bench_{rest[0]}.py" if rest else ROOT
    if path.is_file():
        return call([PYTHON, path, *rest[1:]], {"PYTHONPATH": str(ROOT)})
    return call([PYTHON, "-m", "benchmarks.suite", *rest])


def run(rest: list[str]) -> int:
    """Run the command `safelight`."""
    return call([PYTHON, "-m", "safelight", *rest], named_command())


def named_command() -> dict[str, str]:
    """Name `safelight` in the messages that advise a command as it can be typed here: it is not on the PATH."""
    return {"SAFELIGHT_COMMAND": f"python3 {shlex.quote(sys.argv[0])} run"}


def install(extras: str) -> str:
    """Make `.venv` and install the project with `extras`, once; return an error message, or an empty text."""
    expected = fingerprint(extras)
    stamp = VENV / f".installed-{extras.replace(',', '-')}"
    if stamp.exists() and stamp.read_text() == expected:
        return ""
    if not PYTHON.exists():
        print("making .venv", flush=True)
        process = subprocess.run(
            [sys.executable, "-m", "venv", VENV], capture_output=True, text=True, check=False
        )
        if process.returncode:
            return f"python3 -m venv failed; on Debian and Ubuntu: apt install python3-venv ({last_line(process)})"
    print(f"installing safelight[{extras}] (once, a few minutes)", flush=True)
    start = time.monotonic()
    command: list[str | Path] = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check"]
    # Compiling all modules of all libraries doubles the time; Python compiles the modules that are used.
    command += ["--prefer-binary", "--no-compile"]
    command += ["-c", ROOT / "constraints.txt", "-e", f"{ROOT}[{extras}]"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        return f"pip install failed: {last_line(process)}\ntry it yourself: {' '.join(map(str, command))}"
    # Python compiles what is imported first, some ten seconds of a first run: here, not while a demo is timed.
    subprocess.run(
        [PYTHON, "-c", f"import {IMPORTED}"],
        cwd=ROOT, env={**os.environ, **STORE_BYTE_CODE}, capture_output=True, check=False,
    )  # fmt: skip
    print(f"installed in {time.monotonic() - start:.0f} s", flush=True)
    stamp.write_text(expected)
    return ""


def fingerprint(extras: str) -> str:
    """Hash the files that the installation depends on."""
    files = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"".join([extras.encode(), sys.version.encode(), *files])).hexdigest()


def last_line(process: "subprocess.CompletedProcess[str]") -> str:
    """Return the last line of a failed command's output."""
    lines = (process.stderr or process.stdout or "no output").strip().splitlines()
    return lines[-1] if lines else "no output"


def call(command: Sequence[str | Path], more: Mapping[str, str] | None = None) -> int:
    """Run a command from the project's folder, with `more` in its environment, and return its exit code."""
    environment = {**os.environ, **STORE_BYTE_CODE, **(more or {})}
    try:
        return subprocess.run(
            [str(part) for part in command], cwd=ROOT, env=environment, check=False
        ).returncode
    except KeyboardInterrupt:
        return 130


def fail(message: str) -> int:
    """Print an error in one line; return the exit code."""
    print(f"dev.py: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
