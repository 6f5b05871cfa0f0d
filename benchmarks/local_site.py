"""A web server for benchmarks: pictures of a folder on 127.0.0.1, from memory, in a child process.

python benchmarks/local_site.py DIR [--pool N]

Prints its address, then serves `/<number>.jpg` for every number (the pictures repeat) until its input closes.
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pool", type=int, help="serve only the first N pictures of the folder")
    options = parser.parse_args()
    bodies = [path.read_bytes() for path in photo_files(options.photos)[: options.pool]]
    asyncio.run(serve(bodies))


def photo_files(folder: Path) -> list[Path]:
    """List the pictures below a folder in the order in which they are served."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)


async def serve(bodies: Sequence[bytes]) -> None:
    async def picture(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return web.Response(body=bodies[number % len(bodies)], content_type="image/jpeg")

    app = web.Application()
    app.add_routes([web.get(r"/{number:\d+}.jpg", picture)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextmanager
def local_site(photos: Path, pool: int | None = None) -> Iterator[str]:
    """Run the server in a child process and yield its address."""
    command = [sys.executable, __file__, str(photos), *(["--pool", str(pool)] if pool else [])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def write_list(path: Path, address: str, count: int) -> Path:
    """Write the addresses of the first `count` pictures, one a line."""
    path.write_text("".join(f"{address}/{number}.jpg\n" for number in range(count)))
    return path


if __name__ == "__main__":
    main()
