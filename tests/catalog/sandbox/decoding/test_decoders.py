"""What code that took a decoder over cannot do, and what a file costs that kills, blocks or fills one."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest

from catalog.sandbox import MB, DecoderError, DecoderLimits, DecoderPool

JOBS = "tests.fakes.taken_over"
LIMITS = DecoderLimits(timeout_s=20, memory_bytes=200 * MB, output_bytes=MB)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's walls are Linux's")


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    import tests.fakes  # noqa: F401 - the pool asks where its package lies

    found = DecoderPool(JOBS, LIMITS, size=2)
    yield found
    found.close()


REFUSED = (
    *("PermissionError", "OSError", "BlockingIOError"),
    *("RuntimeError: can't start new thread", "ValueError: not allowed to raise"),
)


def run(pool: DecoderPool, code: str, **options: object) -> object:
    return pool.decode("run", dedent(code).encode(), **options).result["said"]


def attempt(pool: DecoderPool, code: str, **options: object) -> object:
    """Run code in the child; give the name of the error that it ended with, or None when it went through."""
    tried = f"""
try:
{chr(10).join("    " + line for line in dedent(code).strip().splitlines())}
    found["said"] = None
except BaseException as error:
    found["said"] = type(error).__name__ + ": " + str(error)
"""
    return run(pool, tried, **options)


def test_a_job_gives_its_result_and_its_parts(pool: DecoderPool) -> None:
    found = pool.decode("run", b"found['said'] = [1, None]; found['parts'] = [b'ab', b'', b'c']")
    assert (found.result, found.parts) == ({"said": [1, None]}, [b"ab", b"", b"c"])


@needs_linux
@pytest.mark.parametrize(
    "code",
    [
        "open(options['secret'], 'rb').read()",
        "open('/etc/passwd').read()",
        "open('/proc/self/environ').read()",
        "open(f'/proc/{options[\"parent\"]}/environ').read()",
        "import os; os.listdir('/')",
        "import os; os.stat(options['secret'])",
        "import os; os.readlink('/proc/self/exe')",
        "open(options['folder'] + '/stolen', 'wb')",
        "import os; os.mkdir(options['folder'] + '/stolen')",
        "import os; os.unlink(options['secret'])",
        "import os; os.rename(options['secret'], options['secret'] + '2')",
        "import os; os.chmod(options['secret'], 0o777)",
        "import socket; socket.create_connection(('127.0.0.1', options['port']), 2)",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', options['port']))",
        "import socket; socket.socket(socket.AF_UNIX).connect(options['folder'] + '/socket')",
        "import socket; socket.socketpair()",
        "import subprocess; subprocess.run(['/bin/true'], check=True)",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.fork() or os._exit(0)",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import threading; threading.Thread(target=print).start()",
        "import os; os.kill(options['parent'], 0)",
        "import os; os.kill(options['parent'], 18)",
        "import os; os.kill(-1, 0)",
        "import os; os.setuid(0)",
        "import os; os.setpriority(os.PRIO_PROCESS, options['parent'], 19)",
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))",
        "import resource; resource.prlimit(options['parent'], resource.RLIMIT_CPU, (1, 1))",
        "import os; os.memfd_create('more')",
        "import os; os.ftruncate(options['output'], 1)",
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.ptrace(16, options['parent'], 0, 0): raise OSError(ctypes.get_errno(), 'ptrace')",
    ],
)
def test_a_decoder_that_was_taken_over_can_do_nothing(
    pool: DecoderPool, tmp_path: Path, code: str
) -> None:
    secret = tmp_path / "frontier.sqlite"
    secret.write_text("sesame")
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = {
            "secret": str(secret),
            "folder": str(tmp_path),
            "port": server.getsockname()[1],
            "parent": os.getpid(),
            "output": 4,
        }
        said = attempt(pool, code, **options)
    assert said is not None
    assert str(said).startswith(REFUSED), said
    assert secret.read_text() == "sesame"
    assert [path.name for path in tmp_path.iterdir()] == ["frontier.sqlite"]


def test_the_environment_of_the_parent_is_not_the_childs(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFELIGHT_UNSPLASH_KEY", "sesame")
    pool.close()
    names = run(pool, "import os; found['said'] = sorted(os.environ)")
    assert set(names) <= {  # type: ignore[call-overload]  # a list of names
        *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX", "TZ", "LC_CTYPE")
    }


@needs_linux
def test_the_walls_that_hold_are_tried_and_told(pool: DecoderPool) -> None:
    run(pool, "")
    closed = pool.closed
    assert set(closed) >= {"files_outside_cannot_be_read", "network_cannot_be_reached"}
    assert all(closed.values()), closed


@needs_linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_root_becomes_nobody(pool: DecoderPool) -> None:
    run(pool, "")
    status = Path(f"/proc/{pool.pids[-1]}/status").read_text()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import ctypes; ctypes.string_at(0)", "crashed"),  # SIGSEGV
        ("import os; os._exit(0)", "crashed"),
        ("import os; os.write(1 << 30, b'')", "undecodable"),
        ("b'x' * (1 << 30)", "too_much_memory"),
        ("raise MemoryError", "too_much_memory"),
        ("raise SystemError('libfoo')", "undecodable"),
        ("found['parts'] = [bytes(2 << 20)]", "too_much_memory"),
        ("found['said'] = 'x' * (5 << 20)", "crashed"),
        ("found['said'] = object()", "crashed"),
    ],
)
def test_a_file_that_breaks_its_decoder_costs_itself_only(
    pool: DecoderPool, code: str, status: str
) -> None:
    with pytest.raises(DecoderError) as caught:
        run(pool, code)
    assert caught.value.status == status
    assert caught.value.detail.isprintable()
    assert run(pool, "found['said'] = 'next'") == "next"


@pytest.mark.parametrize(
    "reply",
    [
        b"[]",
        b'{"result": []}',
        b'{"result": {}, "lengths": [-1]}',
        b'{"result": {}, "lengths": [true]}',
        b'{"result": {}, "lengths": [99999999]}',
        b"[" * 100_000,
        b"9" * 10_000,
        b"\xff\xfe",
        b'{"result": {}, "lengths": [] }}',
    ],
)
def test_a_reply_that_no_honest_child_sends_is_a_crash(pool: DecoderPool, reply: bytes) -> None:
    piece, n = (reply, 1) if len(reply) < 100 else (reply[:1], len(reply))
    code = f"""
import os, struct
body = {piece!r} * {n}
for descriptor in range(3, 1024):
    try:
        os.write(descriptor, struct.pack(">I", len(body)) + body)
    except OSError:
        pass
"""
    with pytest.raises(DecoderError) as caught:
        run(pool, code)
    assert caught.value.status == "crashed"
    assert run(pool, "found['said'] = 'next'") == "next"


def test_an_endless_loop_ends_at_the_limit_and_the_next_file_is_served() -> None:
    pool = DecoderPool(JOBS, DecoderLimits(timeout_s=0.5), size=1)
    try:
        started = time.monotonic()
        with pytest.raises(DecoderError, match=r"took more than 0\.5 s") as caught:
            run(pool, "while True: pass")
        assert caught.value.status == "too_slow"
        assert time.monotonic() - started < 15
        assert run(pool, "found['said'] = 'next'") == "next"
    finally:
        pool.close()


def test_a_child_that_was_killed_costs_no_file(pool: DecoderPool) -> None:
    run(pool, "")
    for pid in pool.pids:
        os.kill(pid, 9)
    assert run(pool, "found['said'] = 'next'") == "next"


def test_a_child_is_replaced_when_it_has_worked_long() -> None:
    pool = DecoderPool(JOBS, DecoderLimits(busy_s=0.05), size=1)
    try:
        run(pool, "")
        first = pool.pids
        run(pool, "import time; time.sleep(0.1)")
        run(pool, "")
        assert pool.pids
        assert pool.pids != first
    finally:
        pool.close()


def test_threads_share_the_children_of_a_pool(pool: DecoderPool) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(lambda n: run(pool, f"found['said'] = {n}; found['parts'] = []"), range(64))
        )
    assert found == list(range(64))
    assert 1 <= len(pool.pids) <= 2


@pytest.mark.long
def test_a_patient_pool_starts_another_child_only_for_files_that_take_long() -> None:
    pool = DecoderPool(JOBS, LIMITS, size=2, patience_s=1.0)
    try:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda _: run(pool, ""), range(20)))
            assert len(pool.pids) == 1
            slow = "import time; time.sleep(4)"
            list(threads.map(lambda code: run(pool, code), (slow, "found['said'] = 1")))
        assert len(pool.pids) == 2
    finally:
        pool.close()


def test_a_child_dies_with_its_parent() -> None:
    code = (
        "import sys, tests.fakes\n"
        "from catalog.sandbox import DecoderPool\n"
        f"pool = DecoderPool({JOBS!r})\n"
        "pool.decode('run', b'')\n"
        "print(pool.pids[0], flush=True)\n"
        "pool.decode('run', b'while True: pass')\n"
    )
    root = Path(__file__).parents[4]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z" not in _state(child):
        assert time.monotonic() < end
        time.sleep(0.02)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def test_a_module_in_the_current_folder_is_not_imported_by_a_child(tmp_path: Path) -> None:
    for name in ("PIL", "numpy", "exifread", "catalog", "crawler", "json", "ctypes", "encodings"):
        trap = f"open({str(tmp_path / 'trap')!r}, 'a').write({name!r})\nraise SystemExit\n"
        (tmp_path / f"{name}.py").write_text(trap)
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[4])!r})\n"
        "import json, os, crawler.examination.decoding\n"
        "os.environ['PYTHONPATH'] = os.getcwd()\n"
        "found = crawler.examination.decoding.examine_crawled(b'GIF89a')\n"
        "print(json.dumps(found.asset['header_detail']))\n"
    )
    command = [sys.executable, "-P", "-c", code]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "crashed" not in json.loads(ended.stdout)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    "code",
    [
        "open(options['secret'], 'rb').read()",
        "open(options['folder'] + '/stolen', 'wb')",
        "import socket; socket.create_connection(('127.0.0.1', options['port']), 2)",
        "import os; os.fork() or os._exit(0)",
        "import os; os.kill(options['parent'], 0)",
    ],
)
def test_without_walls_the_attacks_above_go_through(tmp_path: Path, code: str) -> None:
    (tmp_path / "secret").write_text("sesame")
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = {"secret": str(tmp_path / "secret"), "folder": str(tmp_path)}
        options |= {"port": server.getsockname()[1], "parent": os.getpid()}
        command = [sys.executable, "-I", "-c", f"options = {options!r}\n{code}"]
        assert subprocess.run(command, check=False).returncode == 0
