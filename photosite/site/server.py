"""Run the site until the process gets SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Callable

from photosite.site.site import PhotoSite


def serve(site: PhotoSite, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; call `announce` with the address as soon as the site accepts requests."""
    asyncio.run(_serve(site, announce))


async def _serve(site: PhotoSite, announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with site:
        announce(site.url)
        await stop.wait()
