"""Look at the machine: processors, memory, disk, GPU, the port of the server, the walls of the sandbox."""

import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from catalog.errors import SafelightError
from catalog.number_formats import format_bytes
from catalog.setup.check import Check
from catalog.workspace.disks import file_system, is_network
from catalog.workspace.workspace import Workspace

LITTLE_DISK, SOME_DISK = 2**30, 10 * 2**30
LITTLE_MEMORY = 4 * 2**30
_GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_ASK_GPU = """
import torch
print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}" if torch.cuda.is_available() else "")
try:
    import faiss
    print(getattr(faiss, "get_num_gpus", lambda: 0)())
except ImportError:
    print(0)
"""


def processor_check() -> Check:
    """Tell how many processors this process may use, and the memory of the machine."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    value = f"{count} processors, {format_bytes(memory)} of memory"
    if memory < LITTLE_MEMORY:
        return Check(
            "machine", "note", value, "curation and training of many pictures want 4 GB or more"
        )
    return Check("machine", "ok", value)


def disk_check(workspace: Workspace, *, holds_sqlite: bool) -> Check:
    """Tell the free space where the workspace is or will be, and on which kind of disk that is."""
    folder = next(path for path in (workspace.home, *workspace.home.parents) if path.is_dir())
    free, kind = shutil.disk_usage(folder).free, file_system(folder)
    value = f"{format_bytes(free)} free at {folder}{f' ({kind})' if kind else ''}"
    if not os.access(folder, os.W_OK):
        return Check("disk", "problem", f"{folder} cannot be written", "choose another --home")
    if holds_sqlite and is_network(kind):
        return Check(
            "disk", "problem", value, "keep --home on a local disk, or the tables in PostgreSQL"
        )
    if free < LITTLE_DISK:
        return Check(
            "disk", "problem", value, "make room, or put large files into a bucket: [storage] url"
        )
    if free < SOME_DISK:
        return Check("disk", "note", value, "a workspace holds the original pictures")
    return Check("disk", "ok", value)


def gpu_checks() -> Iterator[Check]:
    """Tell which GPU torch sees, and whether FAISS can use it; without a GPU nothing is imported."""
    if not (any(map(os.path.exists, _GPU_FILES)) or shutil.which("nvidia-smi")):
        yield Check("gpu", "ok", "none; training and embeddings use the processors")
        return
    if importlib.util.find_spec("torch") is None:
        yield Check(
            "gpu", "note", "there is one, torch is not installed", "pip install 'safelight[train]'"
        )
        return
    done = subprocess.run(  # noqa: S603 - our own interpreter and a fixed program
        [sys.executable, "-P", "-c", _ASK_GPU],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    name, n_faiss = (*done.stdout.splitlines(), "", "")[:2]
    if not name:
        yield Check(
            "gpu", "note", "there is one, torch cannot use it", "install torch's build for your GPU"
        )
        return
    yield Check("gpu", "ok", name)
    if n_faiss not in ("", "0"):
        yield Check("faiss", "ok", f"uses {n_faiss} GPU")
    elif _version("faiss-gpu"):
        yield Check(
            "faiss", "note", "faiss-gpu sees no GPU", "compare the versions of driver and faiss-gpu"
        )
    else:
        advice = "pip uninstall faiss-cpu, then pip install 'safelight[faiss-gpu]'"
        yield Check("faiss", "note", "searches for copies on the processors", advice)


def port_check(host: str, port: int) -> Check:
    """Try whether the server could listen where the settings say."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return Check(
            "port",
            "note",
            f"{host}:{port} is taken ({error.strerror})",
            "give serve another --port",
        )
    return Check("port", "ok", f"{host}:{port} is free for the server")


def sandbox_check(workspace: Workspace) -> Check:
    """Start the sandbox of the server on a workspace that exists, and tell which walls do not hold."""
    from catalog.sandbox import Limits, QueryPool

    async def attempt() -> dict[str, object]:
        pool = QueryPool(workspace, Limits())
        await pool.start()
        closed = dict(pool.closed)
        await pool.close()
        return closed

    try:
        closed = asyncio.run(attempt())
    except (SafelightError, OSError) as error:
        return Check("sandbox", "problem", str(error), "do not serve strangers from this machine")
    if still_open := [name for name, is_closed in closed.items() if not is_closed]:
        value = f"does not hold: {', '.join(still_open)}"
        return Check("sandbox", "note", value, "do not serve strangers from this machine")
    return Check("sandbox", "ok", f"all {len(closed)} walls hold")


def contact_check(environment: Mapping[str, str]) -> Check:
    """Tell whether crawls over HTTP have a contact for their User-Agent."""
    if contact := environment.get("SAFELIGHT_CONTACT"):
        return Check("contact", "ok", contact)
    return Check(
        "contact", "note", "none", "crawls over HTTP need SAFELIGHT_CONTACT, a mail address or page"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
