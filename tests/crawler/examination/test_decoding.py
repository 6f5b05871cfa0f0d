"""Crawled bytes are examined and drawn in processes without rights: same rows, and lies are not taken."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog, rows
from catalog.sandbox import DecoderError, DecoderLimits, DecoderPool
from crawler.examination.decoding import DECODERS, draw_crawled, examine_crawled
from crawler.examination.examine import ExaminationResult, examine
from crawler.report import samples
from crawler.session.crawl import crawl
from crawler.sources import FolderSource
from tests.curation.broken_files import broken, odd_but_valid
from tests.factories import jpeg, picture
from tests.real_data import members, needs

MEDIA = ("image", "sound")


@pytest.fixture(scope="module")
def liars() -> Iterator[DecoderPool]:
    import tests.fakes  # noqa: F401 - the pool asks where its package lies

    found = DecoderPool("tests.fakes.lying_decoder", DecoderLimits(timeout_s=2), size=1)
    yield found
    found.close()


def gif(code: str) -> bytes:
    return b"GIF89a" + code.encode()


def differing(*bodies: bytes) -> list[tuple[ExaminationResult, ExaminationResult]]:
    """Examine bodies here and in a child; give those that do not say the same to the last digit."""
    pairs = [(examine(body, media=MEDIA), examine_crawled(body, media=MEDIA)) for body in bodies]
    return [(here, there) for here, there in pairs if repr(here) != repr(there)]


def test_broken_odd_and_rare_files_have_the_same_rows_in_a_child() -> None:
    bodies = [body for body, _ in broken().values()] + list(odd_but_valid().values())
    wave = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"
    bodies += [b"", b"<html>", b"\xff\xd8\xff", wave, wave[:20], jpeg(thumbnail=picture((32, 24)))]
    assert len(bodies) > 60
    assert differing(*bodies) == []


@needs("exif_zoo/zoo.tar")
def test_the_exif_of_many_cameras_is_read_alike_in_a_child() -> None:
    bodies = [body for _, body in members("exif_zoo/zoo.tar", "photos/photos-1.tar", every=9)]
    assert differing(*bodies) == []


@pytest.mark.slow
@needs("photos/photos-1.tar")
def test_all_photographs_have_the_same_rows_in_a_child() -> None:
    photographs = ("photos/photos-1.tar", "photos/photos-2.tar", "exif_zoo/zoo.tar")
    bodies = [body for _, body in members(*photographs, "neardup/neardup.tar")]
    assert len(bodies) > 1400
    assert differing(*bodies) == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import ctypes; ctypes.string_at(0)", "crashed: the decoder process died: signal 11"),
        ("while True: pass", "too_slow: took more than 2 s"),
        ("b'x' * (3 << 30)", "too_much_memory: MemoryError"),
        ("found['result']['asset'] = {}", "an impossible exif"),
        (
            "found['result'] = {'asset': {'width': 2 ** 31}, 'exif': {}}",
            "an impossible assets?width",
        ),
        ("found['result'] = {'asset': {'width': '7'}, 'exif': {}}", "an impossible assets?width"),
        ("found['result'] = {'asset': {'width': True}, 'exif': {}}", "an impossible assets?width"),
        ("found['result'] = {'asset': {'pack': '../x'}, 'exif': {}}", "an impossible assets?pack"),
        ("found['result'] = {'asset': {'first_seen': 'x'}}", "an impossible assets?first_seen"),
        ("found['result'] = {'asset': {'x\\x1b[2J': 1}}", "an impossible assets"),
        (
            "found['result'] = {'asset': {'header_detail': '\\ud800'}}",
            "an impossible assets?header",
        ),
        ("found['result'] = {'asset': {}, 'exif': {'taken_at': '2020-13-01'}}", "exif?taken_at"),
        ("found['result'] = {'asset': {}, 'exif': {'taken_at': 7}}", "exif?taken_at"),
        ("found['result'] = {'asset': {}, 'exif': {'iso': 'x'}}", "exif?iso"),
        ("found['result'] = {'asset': {}, 'exif': {'readers_disagree': [1]}}", "exif?readers"),
        ("found['result'] = {'asset': {}, 'exif': {'gps_present': 0}}", "exif?gps_present"),
    ],
)
def test_a_child_that_dies_or_lies_costs_one_file_whose_row_says_why(
    liars: DecoderPool, code: str, why: str
) -> None:
    body = gif(code)
    found = examine_crawled(body, decoders=liars)
    assert found.rejected is None
    assert why in str(found.asset["header_detail"])
    assert found.asset | {"header_detail": ""} == {
        "sha256": examine(body).sha256,
        "bytes": len(body),
        "mime": "image/gif",
        "format": "GIF",
        "header_status": "unreadable",
        "header_detail": "",
    }
    assert (found.exif["status"], found.exif["error"]) == (
        "unreadable",
        found.asset["header_detail"],
    )
    assert rows("assets", [found.asset]).num_rows == rows("exif", [found.exif]).num_rows == 1


def test_what_this_process_knows_a_child_cannot_change(liars: DecoderPool) -> None:
    lies = {"sha256": "0" * 64, "bytes": 1, "mime": "text/html", "format": "HTML", "width": 7}
    body = gif(f"found['result'] = {{'asset': {lies!r}, 'exif': {{'asset_sha256': 'x'}}}}")
    found = examine_crawled(body, decoders=liars)
    assert found.asset == {
        "sha256": examine(body).sha256,
        "bytes": len(body),
        "mime": "image/gif",
        "format": "GIF",
        "width": 7,
    }
    assert found.exif["asset_sha256"] == found.sha256


@pytest.mark.parametrize(
    "code",
    [
        "found['result'] = {'width': 2, 'height': 2}; found['parts'] = [b'x' * 11]",
        "found['result'] = {'width': 0, 'height': 0}; found['parts'] = [b'']",
        "found['result'] = {'width': 900, 'height': 1}; found['parts'] = [b'x' * 2700]",
        "found['result'] = {'width': -2, 'height': -2}; found['parts'] = [b'x' * 12]",
        "found['result'] = {'width': 2, 'height': 2.0}; found['parts'] = [b'x' * 12]",
        "found['result'] = {'width': 2, 'height': 2}",
    ],
)
def test_pixels_that_make_no_picture_are_not_drawn(liars: DecoderPool, code: str) -> None:
    with pytest.raises(DecoderError):
        draw_crawled(gif(code), 220, liars)


def test_the_samples_of_a_report_are_drawn_by_a_child() -> None:
    before = DECODERS.pids
    assert samples.thumbnail_uri(jpeg()).startswith("data:image/jpeg;base64,")
    assert DECODERS.pids
    assert len(DECODERS.pids) >= len(before)
    with pytest.raises(DecoderError):
        samples.thumbnail_uri(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


def test_a_crawl_goes_on_while_its_decoders_are_killed(
    workspace: Workspace, tmp_path: Path
) -> None:
    top = tmp_path / "photos"
    top.mkdir()
    for number in range(60):
        (top / f"{number}.jpg").write_bytes(jpeg(seed=number))
    is_done, killed = threading.Event(), Counter[str]()

    def kill() -> None:
        while not is_done.wait(0.1):
            for pid in DECODERS.pids:
                os.kill(pid, 9)
                killed["children"] += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        summary = crawl(workspace, FolderSource(str(top)))
    finally:
        is_done.set()
        killer.join()
    assert (summary.status, summary.done, summary.failed) == ("finished", 60, 0)
    with open_catalog(workspace) as catalog:
        found = catalog.records("SELECT header_status, header_detail FROM assets")
    assert {str(row["header_detail"]) for row in found if row["header_status"] != "ok"} <= {
        "crashed: the decoder process died: signal 9"
    }
    assert sum(row["header_status"] == "ok" for row in found) > 30
