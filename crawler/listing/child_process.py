"""Child processes of a session: they read their job from standard input and write results to standard output."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def child_process(
    module: str, flag: str, log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m module flag`, its standard error appended to `log`; it is killed if it outlives the block."""
    with log.open("ab") as errors:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            # -P: the current folder may hold a catalog.py of its own.
            *("-P", "-W", "ignore::RuntimeWarning:runpy", "-m", module, flag),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(_import_paths())},
            start_new_session=True,  # Ctrl-C is the session's to handle
        )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def _import_paths() -> list[str]:
    here = str(Path(__file__).parents[2])
    return [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
