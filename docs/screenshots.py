"""Photograph the demo's report, the console, a picture's page, the review and a prediction for the README and the docs.

    python docs/screenshots.py [WORKSPACE]

WORKSPACE is one that `safelight demo run` has filled; without it the demo runs first, in a temporary folder (about two
minutes). Needs playwright and a Chromium (`CHROMIUM` names it, else the one on the path). Writes `report.png`,
`console.png`, `picture.png`, `review.png`, `predict.png`, `similar.png`, `map.png` and
`model.png` in `docs/images/`.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs/images"
MOST_BYTES = 400_000
QUERY = """SELECT asset_sha256, title, camera, f_number, iso, exposure_time, members
FROM v_duplicates JOIN v_photos USING (asset_sha256)
WHERE is_keeper -- the best copy of each group
ORDER BY members DESC, iso DESC"""
PICTURE = """SELECT d.keeper AS sha256 FROM v_duplicates d JOIN predictions p ON p.asset_sha256 = d.keeper
JOIN v_photos f ON f.asset_sha256 = d.keeper WHERE f.iso IS NOT NULL GROUP BY d.keeper
ORDER BY any_value(d.members) DESC, d.keeper LIMIT 1"""
SWITCHES = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(arguments[0] if arguments else folder).resolve()
        if not arguments:
            safelight(home, "demo", "run")
        found = json.loads(safelight(home, "catalog", "sql", PICTURE, "--format", "json"))
        with serving(home) as address, sync_playwright() as play:
            chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
            browser = play.chromium.launch(executable_path=chromium, args=SWITCHES)
            query = base64.urlsafe_b64encode(QUERY.encode()).decode().rstrip("=")
            photograph(browser, f"{address}/#q={query}", "#grid img", "console", "light")
            page = f"{address}/pictures/{found[0]['sha256']}"
            photograph(browser, page, ".sheet img", "picture", "dark")
            group = f"{address}/review/duplicates?only=embedding"
            photograph(browser, group, "body[data-ready] #right img", "review", "light")
            photograph(
                browser, f"{address}/predict", "#predictions img", "predict", "light", "#samples"
            )
            photograph(browser, first_report(home).as_uri(), "h1", "report", "light")
            similar = f"{address}/similar#picture={found[0]['sha256']}"
            photograph(browser, similar, "#pictures img", "similar", "light")
            photograph(browser, f"{address}/map#colour=decision", "body[data-ready]", "map", "dark")
            model = min(path.parent.name for path in home.glob("models/*/model.onnx"))
            photograph(browser, f"{address}/models/{model}", ".plot svg", "model", "light")
            browser.close()


def safelight(home: Path, *words: str) -> str:
    """Run one command in the workspace and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "safelight", *words, "--home", str(home)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """Serve the workspace while the pictures are taken; gives the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["serve", "--port", str(port), "--home", str(home)]
    server = subprocess.Popen([sys.executable, "-m", "safelight", *words], cwd=ROOT)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address)
        yield address
    finally:
        server.terminate()
        server.wait()


def wait_for(address: str) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/api/limits").close()
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise SystemExit("safelight serve does not answer")


def first_report(home: Path) -> Path:
    """Return the report of the training of the demo, the oldest one of the workspace."""
    reports = (home / "reports" / "training").glob("*/report.html")
    return min(reports, key=lambda path: path.stat().st_mtime)


def photograph(
    browser: Browser, page: str, awaited: str, name: str, scheme: str, pressed: str = ""
) -> None:
    """Open a page, press a button of it, wait for what it shows, and keep the window as a picture."""
    window = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme=scheme)
    tab = window.new_page()
    tab.goto(page)
    if pressed:
        tab.click(pressed)
    tab.wait_for_selector(awaited)
    tab.wait_for_load_state("networkidle")
    tab.wait_for_timeout(1500)  # the last pictures are decoded
    path = IMAGES / f"{name}.png"
    tab.screenshot(path=path)
    window.close()
    if path.stat().st_size >= MOST_BYTES:
        with Image.open(path) as whole:
            whole.convert("RGB").quantize(256).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")
    assert path.stat().st_size < MOST_BYTES, "too large for the README"


if __name__ == "__main__":
    main(sys.argv[1:])
