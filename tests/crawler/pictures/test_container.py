from io import BytesIO

import pytest
from hypothesis import given, settings, strategies as st

from crawler.pictures.container import JPEG, read_header, sniff
from tests.factories import jpeg, picture
from tests.fakes.bombs import many_pixels

KINDS = {
    "JPEG": ("JPEG", "image/jpeg"),
    "PNG": ("PNG", "image/png"),
    "GIF": ("GIF", "image/gif"),
    "WEBP": ("WEBP", "image/webp"),
    "TIFF": ("TIFF", "image/tiff"),
    "BMP": ("BMP", "image/bmp"),
    "JPEG2000": ("JP2", "image/jp2"),
    "AVIF": ("AVIF", "image/avif"),
}


def saved(kind: str) -> bytes:
    stream = BytesIO()
    picture().save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_containers_are_named_by_their_bytes(kind: str) -> None:
    body = saved(kind)
    found = sniff(body)
    assert found is not None
    assert (found.format, found.mime) == KINDS[kind]
    header = read_header(body, found)
    assert (header.width, header.height, header.status) == (64, 48, "ok")


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIF"),
        (b"\0\0\0\x1cftypXXXX\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "CR3"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    ],
)
def test_containers_without_a_reader_are_kept_as_unreadable(start: bytes, name: str) -> None:
    kind = sniff(start)
    assert kind is not None
    assert kind.format == name
    header = read_header(start, kind)
    assert (header.status, header.detail) == ("unreadable", f"no reader for {name}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><html></html>",
        b'{"errors": ["not found"]}',
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"BMW makes cars and this is a text",
        b"\0\0\0\x18ftypmp42\0\0\0\0",
        b"%PDF-1.7",
        b"II",
    ],
)
def test_pages_texts_and_films_are_no_images(body: bytes) -> None:
    assert sniff(body) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_a_file_cut_at_sixty_percent_is_truncated(kind: str) -> None:
    body = saved(kind)
    cut = body[: len(body) * 6 // 10]
    found = sniff(cut)
    assert found is not None
    assert read_header(cut, found).status == "truncated"


def test_a_cut_webp_is_unreadable() -> None:
    cut = saved("WEBP")[:-50]
    kind = sniff(cut)
    assert kind is not None
    assert read_header(cut, kind).status == "unreadable"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_bytes_behind_the_end_mark_are_allowed(kind: str) -> None:
    body = saved(kind) + b"film of the moment" * 500
    found = sniff(body)
    assert found is not None
    assert read_header(body, found).status == "ok"


def test_the_end_mark_of_a_thumbnail_does_not_count() -> None:
    body = jpeg(thumbnail=picture((160, 120)), size=(320, 240))
    kind = sniff(body)
    assert kind is not None
    assert read_header(body[: len(body) * 6 // 10], kind).status == "truncated"


def test_a_header_that_cannot_be_read_says_why_in_the_same_words() -> None:
    body = b"\xff\xd8\xff\xe0" + bytes(100)
    kind = sniff(body)
    assert kind is not None
    first, second = read_header(body, kind), read_header(body, kind)
    assert first.status == "unreadable"
    assert first == second
    assert first.detail is not None
    assert "0x" not in first.detail


def test_too_many_pixels_are_noted_and_not_opened() -> None:
    body = saved("PNG")
    kind = sniff(body)
    assert kind is not None
    header = read_header(body, kind, max_pixels=64 * 48 - 1)
    assert (header.width, header.height, header.picture) == (64, 48, None)
    assert header.status == "unreadable"
    assert str(header.detail).startswith("too_many_pixels")


def test_what_pillow_itself_takes_for_a_bomb_is_noted_in_the_same_words() -> None:
    header = read_header(many_pixels(jpeg()), JPEG)
    assert (header.status, header.picture) == ("unreadable", None)
    assert str(header.detail).startswith("too_many_pixels")


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_no_bytes_make_sniffing_raise(body: bytes) -> None:
    sniff(body)
