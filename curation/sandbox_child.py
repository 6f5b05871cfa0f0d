"""The child process of `sandbox.py`: started with its memory limit, it examines files until its input closes."""

import sys

from curation.examining import examine_here
from curation.sandbox import serve


def main(memory_limit: int) -> None:
    """Serve on standard input and output; `memory_limit` in bytes of address space."""
    serve(examine_here, sys.stdin.buffer, sys.stdout.buffer, memory_limit)
