"""Record what the README shows: a terminal session of a crawl, and the picture of its report.

python docs/record.py

Runs the embedded photo site and real commands in a temporary workspace, and writes `docs/recordings/crawl.txt` and
`docs/images/crawl_report.png`. The picture needs playwright and a Chromium (`CHROMIUM` names it, else
/usr/bin/chromium).
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SESSION = (
    "safelight crawl plan unsplash --limit 150",
    "safelight crawl run unsplash --limit 150",
    "safelight crawl retry --dry-run --class all",
    "safelight catalog sql 'SELECT camera, count(*) AS n FROM v_photos GROUP BY 1 ORDER BY n DESC LIMIT 3'",
    "safelight crawl report",
    "safelight crawl verify",
)
KILLED_AFTER_S = 6.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "workspace"
        env = os.environ | {
            "SAFELIGHT_HOME": str(home),
            "SAFELIGHT_UNSPLASH_KEY": "demo",
            "SAFELIGHT_CONTACT": "you@example.org",
            "SAFELIGHT_CRAWL_UNIT_IMAGES": "32",
            "PYTHONPATH": str(ROOT),
        }
        site = subprocess.Popen(
            [sys.executable, "-m", "safelight", "demo", "site", "--count", "150", "--port", "0"],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert site.stdout
        address = site.stdout.readline().strip()
        try:
            text = "".join(record(line, address, env) for line in SESSION)
        finally:
            site.terminate()
        text = text.replace(str(home), "workspace").replace(address, "http://127.0.0.1:8000")
        (ROOT / "docs/recordings/crawl.txt").write_text(text)
        photograph(home / "reports/crawl/all/index.html", ROOT / "docs/images/crawl_report.png")


def record(line: str, address: str, env: Mapping[str, str]) -> str:
    """Run one line and give it with what it printed; a run is killed once and taken up again."""
    words = shlex.split(line)[1:]
    if "unsplash" in words:
        words += ["--api-base", address]
    if words[:2] == ["crawl", "run"]:
        return killed(line, words, env) + record("safelight crawl resume", address, env)
    done = subprocess.run(
        [sys.executable, "-m", "safelight", *words],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return f"$ {line}\n{tidy(done.stdout)}"


def killed(line: str, words: list[str], env: Mapping[str, str]) -> str:
    process = subprocess.Popen(
        [sys.executable, "-m", "safelight", *words], env=env, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    time.sleep(KILLED_AFTER_S)
    process.kill()
    process.wait()
    return f"$ {line} &\n$ kill -9 %1        # {KILLED_AFTER_S:.0f} seconds later\n"


def tidy(printed: str) -> str:
    """Drop log lines of libraries, keep what Safelight says."""
    return re.sub(r"^\d{4}-\d\d-\d\d .*\n", "", printed, flags=re.MULTILINE)


def photograph(page: Path, picture: Path) -> None:
    from playwright.sync_api import sync_playwright

    switches = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=switches
        )
        tab = browser.new_page(viewport={"width": 1100, "height": 1500})
        tab.goto(page.as_uri())
        tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
