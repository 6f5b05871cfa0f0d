import io
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from photosite.pictures.response_body import make_body, photo_bytes
from photosite.plan.damage import DAMAGE_KINDS, is_detectable
from photosite.plan.plan import EDITS, PlannedPhoto
from photosite.plan.stops import aperture_value
from tests.photosite.shots_for_tests import full_plan, shot

BASE = ExifTags.Base


def planned(**changes: object) -> PlannedPhoto:
    healthy = next(p for p in full_plan().uploads if p.kind == "original" and not p.damage)
    plain = replace(healthy, shot=shot(), exif="file", broken=None, fault=None)
    return replace(plain, **changes)  # type: ignore[arg-type]  # a shorthand for tests only


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def tags(photo: PlannedPhoto) -> dict[int, object]:
    exif = opened(photo_bytes(photo)).getexif()
    return dict(exif) | dict(exif.get_ifd(ExifTags.IFD.Exif))


def damaged(kind: str) -> PlannedPhoto:
    photo = next(photo for photo in full_plan().uploads if photo.damage == kind)
    return replace(photo, shot=replace(photo.shot, camera=shot().camera))


def plane(picture: Image.Image, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.asarray(picture.convert("L").resize(size), float)


def likeness(first: Image.Image, second: Image.Image) -> float:
    return float(np.corrcoef(plane(first).ravel(), plane(second).ravel())[0, 1])


def thumbnail(content: bytes) -> Image.Image:
    first = opened(content).getexif().get_ifd(ExifTags.IFD.IFD1)
    tiff = content.index(b"Exif\0\0") + 6
    start = tiff + first[BASE.JpegIFOffset]
    return opened(content[start : start + first[BASE.JpegIFByteCount]])


def test_the_same_photo_has_the_same_bytes_every_time() -> None:
    photo_bytes.cache_clear()
    first = photo_bytes(planned())
    photo_bytes.cache_clear()
    assert photo_bytes(planned()) == first


def test_a_healthy_file_tells_the_truth() -> None:
    photo = planned()
    found = tags(photo)
    assert found[BASE.FNumber] == float(photo.shot.f_number)
    assert found[BASE.ISOSpeedRatings] == photo.shot.iso
    assert found[BASE.ExposureTime] == float(photo.shot.exposure_time)
    assert found[BASE.ApertureValue] == pytest.approx(aperture_value(photo.shot.f_number), abs=0.01)
    assert found[BASE.Make] == photo.shot.camera.make
    assert found[BASE.BodySerialNumber] == photo.photographer.serial
    assert found[BASE.ExifImageWidth] == photo.shot.camera.frame[0]
    assert str(found[BASE.DateTimeOriginal]).startswith(f"{photo.taken:%Y:%m:%d}")
    assert likeness(thumbnail(photo_bytes(photo)), opened(photo_bytes(photo))) > 0.95


def test_an_upright_picture_is_stored_on_its_side() -> None:
    upright = planned(shot=shot("forest", is_upright=True))
    picture = opened(photo_bytes(upright))
    assert picture.getexif()[BASE.Orientation] == 6
    assert picture.width > picture.height
    turned = ImageOps.exif_transpose(picture)
    assert turned.size == (picture.height, picture.width)


SINGLE_TAGS = {
    "iso_zero": (BASE.ISOSpeedRatings, 0),
    "iso_saturated": (BASE.ISOSpeedRatings, 65535),
    "f_number_zero": (BASE.FNumber, 0),
}


@pytest.mark.parametrize("kind", SINGLE_TAGS)
def test_damage_puts_an_impossible_number_into_one_tag(kind: str) -> None:
    tag, value = SINGLE_TAGS[kind]
    assert tags(damaged(kind))[tag] == value


def test_times_are_damaged_in_three_ways() -> None:
    infinite = tags(damaged("exposure_infinite"))[BASE.ExposureTime]
    assert (infinite.numerator, infinite.denominator) == (1, 0)  # type: ignore[attr-defined]  # IFDRational
    assert float(str(tags(damaged("exposure_negative"))[BASE.ExposureTime])) < 0
    inverted = damaged("exposure_inverted")
    found = tags(inverted)
    assert found[BASE.ExposureTime] == float(1 / inverted.shot.exposure_time)
    assert float(str(found[BASE.ShutterSpeedValue])) > 4.5


def test_an_apex_value_in_the_wrong_tag_contradicts_the_right_one() -> None:
    found = tags(damaged("f_number_apex"))
    wrong, right = float(str(found[BASE.FNumber])), float(str(found[BASE.ApertureValue]))
    assert wrong == pytest.approx(right, abs=0.01)
    assert abs(aperture_value(wrong) - right) > 0.5


def test_an_impossible_date_is_later_than_the_file() -> None:
    found = tags(damaged("date_impossible"))
    assert str(found[BASE.DateTimeOriginal]).startswith("2099")
    assert str(found[BASE.DateTime]) < "2099"
    assert BASE.FNumber in found


def test_an_editor_alone_names_no_camera_and_no_settings() -> None:
    found = tags(damaged("software_only"))
    assert BASE.Software in found
    assert not {BASE.Make, BASE.Model, BASE.FNumber, BASE.ISOSpeedRatings} & set(found)


def test_a_foreign_thumbnail_shows_another_picture() -> None:
    content = photo_bytes(damaged("wrong_thumbnail"))
    assert likeness(thumbnail(content), opened(content)) < 0.5


def test_garbage_offsets_leave_an_exif_header_without_tags() -> None:
    content = photo_bytes(damaged("exif_garbage"))
    assert b"Exif\0\0" in content
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not dict(opened(content).getexif())


def test_a_truncated_file_opens_but_does_not_decode() -> None:
    content = photo_bytes(damaged("truncated_jpeg"))
    with Image.open(io.BytesIO(content)) as picture, pytest.raises(OSError, match="truncated"):
        picture.load()


def test_every_kind_of_damage_has_a_test_here() -> None:
    others = {"exposure_infinite", "exposure_negative", "exposure_inverted", "f_number_apex"}
    others |= {"date_impossible", "software_only", "wrong_thumbnail", "exif_garbage"}
    assert set(DAMAGE_KINDS) == set(SINGLE_TAGS) | others | {"truncated_jpeg"}
    assert not is_detectable(shot(), "f_number_apex")


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_shows_the_same_photograph(edit: str) -> None:
    original = planned()
    copy = planned(id="copy", edit=edit, edit_seed=4, parent=original, exif="none")
    first, second = opened(photo_bytes(original)), opened(photo_bytes(copy))
    assert photo_bytes(copy) != photo_bytes(original)
    assert not dict(second.getexif())
    if edit == "mirror":
        assert likeness(ImageOps.mirror(first), second) > 0.95
    elif edit == "crop":
        assert 0.79 < second.width / first.width < 0.91
    else:
        assert likeness(first, second) > 0.95
    assert (second.width == round(first.width * 0.6)) == (edit == "resize")


def test_an_unknown_edit_is_an_error() -> None:
    with pytest.raises(ValueError, match="no edit"):
        photo_bytes(planned(edit="upside", parent=planned()))


def test_a_copy_that_keeps_its_exif_names_the_editor() -> None:
    copy = planned(edit="tone", edit_seed=4, parent=planned())
    assert "Brightroom" in str(tags(copy)[BASE.Software])


def test_broken_answers_are_what_they_are_called() -> None:
    kinds = {
        kind: make_body(planned(broken=kind)) for kind in ("empty", "html", "json", "random_bytes")
    }
    assert kinds["empty"].content == b""
    assert kinds["html"].content.startswith(b"<!DOCTYPE")
    assert kinds["json"].content.startswith(b"{")
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(io.BytesIO(kinds["random_bytes"].content))
    short = make_body(planned(broken="short_body"))
    assert len(short.content) < short.claimed_length == len(photo_bytes(planned()))


def test_shots_of_a_burst_are_different_pictures_of_one_place() -> None:
    first, second = (
        opened(photo_bytes(planned(shot=shot("street", view=view)))) for view in (1, 2)
    )
    assert likeness(first, second) < 0.97
