"""A crawl that logs JSON: session and spider say the same run id, and none of them says the key."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import Workspace
from tests.factories import jpeg
from tests.fakes.fault_site import KEY, FaultSite

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_session_and_spider_log_json_with_one_run_id_and_no_key(workspace: Workspace) -> None:
    environment = os.environ | {
        "SAFELIGHT_HOME": str(workspace.home),
        "SAFELIGHT_UNSPLASH_KEY": KEY,
        "SAFELIGHT_CONTACT": "tests@example.org",
        "SAFELIGHT_RUN_ID": "run-of-a-test",
        "SAFELIGHT_LOG_FORMAT": "json",
    }
    with FaultSite({"a": jpeg()}) as site:
        # A careless address at which the API is broken: Scrapy logs it when it gives up.
        address = f"{site.url}/status/500?client_id={KEY}"
        done = subprocess.run(
            [sys.executable, "-m", "safelight", "crawl", "run", "unsplash", "--api-base", address],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    spider = "".join(path.read_text("utf-8") for path in workspace.logs.glob("spider-*.log"))
    session_lines = [json.loads(line) for line in done.stderr.splitlines()]
    spider_lines = [json.loads(line) for line in spider.splitlines()]
    assert session_lines
    assert spider_lines
    assert {line["run_id"] for line in session_lines + spider_lines} == {"run-of-a-test"}
    assert any(line["logger"].startswith("scrapy") for line in spider_lines)
    assert KEY not in done.stderr + spider
