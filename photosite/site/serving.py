"""Keeps the site running until the process is told to stop."""

import asyncio
import signal
from collections.abc import Callable

from photosite.site.site import PhotoSite


def serve(site: PhotoSite, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is told the address once it answers."""
    asyncio.run(_serve(site, announce))


async def _serve(site: PhotoSite, announce: Callable[[str], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with site:
        announce(site.url)
        await stopped.wait()
