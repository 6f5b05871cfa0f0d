"""Whatever runs beside the program has an owner that hears how it ends: no task, thread or process dies unheard."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("catalog", "crawler", "curation", "photosite", "training")
STARTS = ("create_task", "ensure_future", "run_in_executor", "submit", "Thread", "Timer", "Popen")

# Module, call, how often -> who hears of the end. Write here who it is when you add one; `TaskGroup` is best.
OWNERS = {
    ("catalog/pull/fetching.py", "create_task", 1): "gathered in the same function",
    (
        "catalog/pull/remote.py",
        "submit",
        2,
    ): "a reader of the shard fetches it again and raises the error; the other result is awaited",
    (
        "catalog/sandbox/decoding/child_handle.py",
        "Popen",
        1,
    ): "an end of file tells whoever asks it; it is started anew",
    ("catalog/sandbox/decoding/decoders.py", "submit", 1): "its result is asked for",
    (
        "catalog/sandbox/sql/process.py",
        "Popen",
        1,
    ): "its end is awaited by the pool; a dead one is started anew",
    (
        "catalog/commands/interrupts.py",
        "Thread",
        1,
    ): "its error is raised again by the thread that waits",
    (
        "catalog/workspace/progress_display.py",
        "Thread",
        1,
    ): "ends with the last task that is shown; what it cannot write is dropped",
    (
        "catalog/web/app.py",
        "create_task",
        2,
    ): "loops that log every error and go on; awaited at the end",
    (
        "catalog/web/predictions/service.py",
        "ensure_future",
        1,
    ): "awaited in the same function; after its time its error is taken when it ends",
    ("catalog/web/api/predict.py", "create_task", 1): "awaited in the same function",
    (
        "catalog/web/labelling/label_session.py",
        "submit",
        1,
    ): "logs its error and ends with the old order; waited for when the server stops",
    ("catalog/web/predictions/service.py", "run_in_executor", 1): "awaited in the same line",
    ("catalog/web/models/service.py", "run_in_executor", 1): "awaited in the same line",
    ("catalog/web/similarity/service.py", "run_in_executor", 1): "awaited in the same line",
    (
        "catalog/web/similarity/service.py",
        "create_task",
        1,
    ): "kept by its method; whoever asks for the map gets its error",
    (
        "catalog/web/similarity/service.py",
        "ensure_future",
        1,
    ): "awaited in the same function; after its time its error is taken when it ends",
    (
        "catalog/web/sections/picture_locations.py",
        "create_task",
        1,
    ): "hands its error to everybody who waits for a picture",
    (
        "catalog/web/statements/query_registry.py",
        "create_task",
        1,
    ): "writes its end, whatever it is, into the outcome",
    ("crawler/session/cluster.py", "create_task", 2): "TaskGroup",
    ("crawler/session/committer.py", "create_task", 1): "awaited in the same function",
    (
        "crawler/session/workers.py",
        "Thread",
        1,
    ): "a worker stops when its input closes",
    (
        "crawler/session/workers.py",
        "create_task",
        4,
    ): "TaskGroup; lines of a worker are awaited in the same function",
    (
        "photosite/pictures/plan_gallery.py",
        "run_in_executor",
        1,
    ): "awaited by the request for the picture",
    ("photosite/run.py", "Popen", 1): "a block that waits for the end",
    ("photosite/run.py", "submit", 1): "its result is asked for",
    ("crawler/fetch/robots.py", "create_task", 1): "awaited by whoever wants the rules",
    (
        "crawler/session/session.py",
        "create_task",
        3,
    ): "TaskGroup; the listing is awaited when the workers have ended",
    ("crawler/spiders/process.py", "Thread", 1): "ends the process whatever happens",
    ("crawler/listing/spider_child.py", "create_task", 1): "TaskGroup",
    (
        "crawler/spiders/process.py",
        "ensure_future",
        1,
    ): "the process ends soon after, by itself or by the thread",
    ("crawler/session/worker.py", "create_task", 2): "results are taken in by the worker's loop",
    ("crawler/session/worker.py", "run_in_executor", 1): "awaited in the same function",
    ("curation/stages/engine.py", "submit", 1): "results are taken in order",
    ("training/data/batches/filling.py", "submit", 1): "results are taken in order",
    ("training/data/batches/in_advance.py", "submit", 1): "results are taken in order",
    ("training/data/stores/pictures.py", "submit", 1): "results are taken in order",
    ("training/data/stores/vectors.py", "submit", 1): "results are taken in order",
}


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in STARTS:
                yield name


def test_everything_that_runs_beside_the_program_has_an_owner() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name, n)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for name, n in Counter(calls(path)).items()
    }
    assert found == OWNERS.keys()
