from collections import Counter

import pytest

from photosite.plan.cameras import CAMERAS, PHOTOGRAPHERS
from photosite.plan.damage import DAMAGE_KINDS
from photosite.plan.plan import EDITS, DemoPlan
from tests.photosite.shots_for_tests import full_plan


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert DemoPlan(seed=3, photos=40).truth() == DemoPlan(seed=3, photos=40).truth()
    assert DemoPlan(seed=3, photos=40).truth() != DemoPlan(seed=4, photos=40).truth()


@pytest.mark.parametrize("photos", [1, 2, 7, 50, 120, 600])
def test_a_plan_has_as_many_photos_as_asked_and_no_id_twice(photos: int) -> None:
    ids = [photo.id for photo in DemoPlan(photos=photos).uploads]
    assert len(ids) == len(set(ids)) == photos


def test_a_plan_without_photos_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 photo"):
        DemoPlan(photos=0)


def test_the_proportions_are_those_that_were_promised() -> None:
    kinds = Counter(row["kind"] for row in full_plan().truth())
    assert kinds == {"original": 504, "duplicate": 72, "burst": 24}
    assert sum(row["broken"] is not None for row in full_plan().truth()) == 9
    assert sum(row["fault"] is not None for row in full_plan().truth()) == 24


@pytest.mark.parametrize(("photos", "each"), [(600, 3), (120, 1)])
def test_every_kind_of_damage_is_planted(photos: int, each: int) -> None:
    planted = Counter(row["damage"] for row in DemoPlan(photos=photos).truth())
    assert {kind: planted[kind] for kind in DAMAGE_KINDS} == dict.fromkeys(DAMAGE_KINDS, each)


def test_most_pictures_have_low_iso_and_few_are_long() -> None:
    truth = [row for row in full_plan().truth() if row["kind"] == "original"]
    isos = [float(str(row["iso"])) for row in truth]
    times = [float(str(row["exposure_time"])) for row in truth]
    assert 0.5 < sum(iso <= 200 for iso in isos) / len(truth) < 0.7
    assert 0.08 < sum(iso >= 1000 for iso in isos) / len(truth) < 0.22
    assert 0.1 < sum(time >= 1 / 50 for time in times) / len(truth) < 0.28


def test_every_photographer_has_one_camera_and_every_camera_is_used() -> None:
    used = {(row["photographer"], row["camera"]) for row in full_plan().truth()}
    assert len({person for person, _ in used}) == len(used) == len(PHOTOGRAPHERS) == 80
    assert {camera for _, camera in used} == {camera.name for camera in CAMERAS}
    assert len({person.serial for person in PHOTOGRAPHERS}) == 80


def test_copies_hang_on_healthy_originals_with_the_same_settings() -> None:
    by_id = {row["source_photo_id"]: row for row in full_plan().truth()}
    copies = [row for row in by_id.values() if row["kind"] == "duplicate"]
    assert {row["duplicate_kind"] for row in copies} == set(EDITS)
    for copy in copies:
        original = by_id[copy["duplicate_of"]]
        assert original["kind"] == "original"
        assert original["damage"] is original["broken"] is None
        assert original["fault"] != "404"
        assert copy["camera"] == original["camera"]
        assert copy["duplicate_group"] == original["duplicate_group"] == original["source_photo_id"]


def test_duplicate_groups_hold_the_original_and_all_its_copies() -> None:
    groups = full_plan().duplicate_groups()
    assert sum(len(members) - 1 for members in groups.values()) == 72
    assert all(members[0] == original for original, members in groups.items())


def test_reposts_by_others_have_lost_their_exif() -> None:
    uploads = full_plan().uploads
    reposts = [p for p in uploads if p.parent and p.parent.photographer != p.photographer]
    assert reposts
    assert {photo.exif for photo in reposts} == {"none"}


def test_no_photo_was_uploaded_before_it_was_taken_and_lists_begin_with_the_newest() -> None:
    uploads = full_plan().uploads
    assert all(photo.posted > photo.taken for photo in uploads)
    assert [p.posted for p in uploads] == sorted((p.posted for p in uploads), reverse=True)


def test_a_plan_without_faults_has_the_same_photos() -> None:
    calm = DemoPlan(photos=100, has_faults=False)
    assert {photo.fault for photo in calm.uploads} == {None}
    assert {p.id for p in calm.uploads} == {p.id for p in DemoPlan(photos=100).uploads}
