import subprocess
import sys

from tests.fakes.victim import MemoryWatch

ALLOCATE = "x = bytearray(b'x') * (64 << 20); import time; time.sleep(0.4)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ALLOCATE!r}])"


def test_the_memory_of_a_child_is_seen() -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT], text=True)
    watch = MemoryWatch(process)
    process.wait(10)
    assert 64 << 20 < watch.peak_bytes < 400 << 20
