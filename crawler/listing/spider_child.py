"""Run a source's Scrapy spider in a child process until it ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Protocol

from crawler.listing.call_failure import CallFailure
from crawler.listing.child_process import child_process
from crawler.listing.source_contract import CrawlContext, Discovery, Source

END_WITHIN_S = 10.0


_POLL_S = 0.1


_CHUNK = 65536


FLAG = "--spider"
SPIDER_PROGRAM = "crawler.spiders.process"
"""The module that the child process of a built-in spider runs."""


_CALL_FAILURE = "call_failure"


def call_failure_line(failure: CallFailure | None) -> str:
    """Write a failed call, or None for a call that succeeded again, as a line of a spider's standard output."""
    return json.dumps({_CALL_FAILURE: asdict(failure) if failure else None})


class SpiderSource(Source, Protocol):
    """A source whose listing is a Scrapy spider, named as `module:Class`."""

    spider: ClassVar[str]

    def secrets(self) -> Mapping[str, str]:
        """Return secrets that the spider needs, such as an API key, by argument name; they are never stored."""

    @property
    def api_address(self) -> str:
        """The address of the API; on loopback its calls are made without pauses."""


def spider_log(context: CrawlContext) -> Path:
    """Return the file that gets what the spider of a crawl logs."""
    return context.workspace.logs / f"spider-{context.crawl_id}.log"


async def run_spider(
    source: SpiderSource, context: CrawlContext, program: str = SPIDER_PROGRAM
) -> Discovery:
    """Run the module `program` in a child process, and return how the listing ended."""
    job: dict[str, object] = {"source": [source.name, dict(source.config)]}
    job |= {"crawl_id": context.crawl_id}
    job |= {"home": str(context.workspace.home), "settings": asdict(context.settings)}
    log = spider_log(context)
    async with child_process(program, FLAG, log) as child:
        return await _run_child(child, json.dumps(job), context, log)


async def _run_child(
    child: asyncio.subprocess.Process, job: str, context: CrawlContext, log: Path
) -> Discovery:
    assert child.stdin is not None, "stdin and stdout are pipes"
    assert child.stdout is not None, "stdin and stdout are pipes"
    child.stdin.write(job.encode() + b"\n")
    async with asyncio.TaskGroup() as tasks:
        output = tasks.create_task(_read_output(child.stdout, context))
        while not output.done():
            if context.is_stopping() and not child.stdin.is_closing():
                child.stdin.close()
            await asyncio.wait([output], timeout=_POLL_S)
    await child.wait()
    if line := await output:
        return Discovery(**json.loads(line))
    if context.is_stopping():
        return Discovery("stopped")
    return Discovery("failed", f"the spider ended with code {child.returncode}; see {log}")


async def _read_output(stream: asyncio.StreamReader, context: CrawlContext) -> str:
    """Read to the end, report the failed calls in it, and return the last other line, which is the result."""
    last = ""
    async for line in _lines(stream):
        if line.startswith(f'{{"{_CALL_FAILURE}": '):
            about = json.loads(line)[_CALL_FAILURE]
            context.report_call(CallFailure(**about) if about else None)
        elif line:
            last = line
    return last


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield the lines of a stream; `readline` would refuse a long one, and a user's spider may print any."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    yield rest.decode(errors="replace")
