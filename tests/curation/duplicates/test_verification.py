from datetime import datetime, timedelta

import cv2
import numpy as np
import pytest

from curation.duplicates.verification import Verifier
from curation.similarity.picture_features import CACHE_SIZE, FeatureCache
from tests.curation.made_pictures import (
    Picture,
    cropped,
    encoded,
    framed,
    scaled,
    scene,
    shaken,
    slanted,
    toned,
    written_over,
)


def captioned(picture: Picture) -> Picture:
    """Write in white letters with black outlines across the picture."""
    canvas = picture.copy()
    for tone, width in (((0, 0, 0), 9), ((255, 255, 255), 4)):
        cv2.putText(canvas, "MONDAY", (30, 150), cv2.FONT_HERSHEY_SIMPLEX, 2.2, tone, width)
    return canvas


def on_a_page(picture: Picture) -> Picture:
    """Put it on white paper of more than twice its area, with a line of text."""
    height, width = picture.shape[:2]
    page = np.full((round(2.3 * height), width + 40, 3), 250, np.uint8)
    page[60 : 60 + height, 20 : 20 + width] = picture
    cv2.putText(page, "12 likes", (30, height + 110), cv2.FONT_HERSHEY_SIMPLEX, 1, (30, 30, 30), 2)
    return page


def on_a_dense_page(picture: Picture) -> Picture:
    """Print it over a column of short words, on which most keypoints lie."""
    rng = np.random.default_rng(5)
    height, width = picture.shape[:2]
    column = np.full((height // 2, width, 3), 250, np.uint8)
    for row in range(12, len(column) - 6, 12):
        for left in range(10, width - 40, 38):
            end = left + int(rng.integers(14, 32))
            cv2.line(column, (left, row), (end, row), (60, 60, 60), 3)
    return np.concatenate([picture, column])


def with_local_contrast(picture: Picture) -> Picture:
    """Equalise the histogram of each tile."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(5, (8, 8)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


COPIES = {
    "encoded": lambda picture: encoded(picture, 30),
    "half": lambda picture: encoded(scaled(picture, 0.5), 85),
    "enlarged": lambda picture: scaled(picture, 1.6),
    "cropped": lambda picture: encoded(cropped(picture, 0.82), 80),
    "mirrored": lambda picture: picture[:, ::-1],
    "turned": np.rot90,
    "toned": lambda picture: toned(picture, 1.6),
    "framed": framed,
    "from the side": lambda picture: slanted(encoded(picture, 70)),
    "written over": written_over,
    "blurred": lambda picture: cv2.GaussianBlur(picture, (0, 0), 3),
    "overexposed": lambda picture: np.clip(picture.astype(float) + 70, 0, 255).astype(np.uint8),
    "outlined letters": captioned,
    "on a page": on_a_page,
    "on a dense page": on_a_dense_page,
    "local contrast": with_local_contrast,
    "half cut off": lambda picture: encoded(cropped(picture, 0.68), 85),
    "cropped, mirrored and toned": lambda picture: toned(cropped(picture, 0.85)[:, ::-1], 0.7),
}


def verifier(**pictures: Picture) -> Verifier:
    return Verifier(FeatureCache(lambda name: np.ascontiguousarray(pictures[name])))


@pytest.mark.parametrize("edit", COPIES, ids=str)
def test_an_edited_copy_is_a_duplicate(edit: str) -> None:
    for seed in (11, 12):
        picture = scene(seed)
        verdict = verifier(a=picture, b=COPIES[edit](picture)).verify("a", "b", 0.9)
        assert verdict.verdict == "duplicate", verdict


def test_the_order_of_the_pair_does_not_matter() -> None:
    picture = scene(13)
    both = verifier(a=picture, b=cropped(picture, 0.8), c=shaken(picture))
    assert both.verify("b", "a", 0.9).verdict == "duplicate"
    assert both.verify("c", "a", 0.9).verdict == both.verify("a", "c", 0.9).verdict == "same_scene"


def test_a_second_shot_is_the_same_scene_and_far_pictures_are_not() -> None:
    picture = scene(14)
    both = verifier(a=picture, b=shaken(picture), c=scene(15))
    assert both.verify("a", "b", 0.9).verdict == "same_scene"
    assert both.verify("a", "b", 0.3).verdict == "different"
    assert both.verify("a", "c", 0.9).verdict == "different"


def test_shots_that_exif_tells_apart_are_one_scene_whatever_their_pixels() -> None:
    noon = datetime(2026, 1, 2, 12)  # noqa: DTZ001 - EXIF times have no zone
    shots = ("nikon", noon), ("nikon", noon + timedelta(seconds=2))
    picture = scene(51)
    for other in (encoded(picture, 60), shaken(picture)):
        verdict = verifier(a=picture, b=other).verify("a", "b", 0.9, shots)
        assert verdict.verdict == "same_scene"
    far = verifier(a=picture, b=scene(52)).verify("a", "b", 0.9, shots)
    assert far.verdict == "different"
    unlike = verifier(a=picture, b=shaken(picture)).verify("a", "b", 0.3, shots)
    assert unlike.verdict == "different"


def test_a_second_shot_under_the_same_watermark_is_no_copy() -> None:
    picture = scene(14)
    both = verifier(a=picture, b=written_over(shaken(picture)), c=slanted(shaken(picture)))
    assert both.verify("a", "b", 0.9).verdict == "same_scene"
    assert both.verify("a", "c", 0.9).verdict == "same_scene"


def test_a_moved_subject_makes_another_photograph() -> None:
    background = scene(16)
    shots = []
    for left in (60, 190):
        shot = background.copy()
        shot[60:230, left : left + 110] = scene(17)[60:230, 100:210]
        shots.append(shot)
    assert verifier(a=shots[0], b=shots[1]).verify("a", "b", 0.9).verdict == "same_scene"


@pytest.mark.parametrize("band", [20, 120])  # grey levels
def test_a_post_with_a_caption_of_another_tone_is_a_copy(band: int) -> None:
    photo = scene(1)
    height, width = photo.shape[:2]
    post = np.full((height + 330, width + 4, 3), 250, np.uint8)
    post[100 : 100 + height, 2:-2] = photo
    post[100 + height : 150 + height, 2:-2] = band
    for text, x, y, tone in [
        ("photo_user12   10:24", 20, 60, 30),
        ("look at this", 70, 133 + height, 240),
        *(("my best day again", 20, 190 + height + 35 * line, 30) for line in range(4)),
    ]:
        cv2.putText(post, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (tone,) * 3, 2)
    assert verifier(a=photo, b=post).verify("a", "b", 0.9).verdict == "duplicate"


def test_a_collage_is_not_a_copy_of_its_parts() -> None:
    left, right = scene(18), scene(19)
    both = verifier(a=left, b=np.hstack([left, right]))
    assert both.verify("a", "b", 0.9).verdict == "same_scene"


@pytest.mark.parametrize("share", [1.0, 0.5])  # of the width of the second photograph that is shown
def test_a_crop_is_not_a_copy_of_a_collage_with_the_whole_photograph(share: float) -> None:
    glued = 0
    for seed in range(30, 36):
        one, two = scene(seed), scene(seed + 50)
        collage = np.hstack([one, two[:, : round(share * two.shape[1])]])
        both = verifier(a=cropped(one, 0.9), b=collage)
        glued += both.verify("a", "b", 0.9).verdict == "duplicate"
    assert not glued


def test_a_photograph_is_no_copy_of_a_collage_of_which_it_fills_two_thirds() -> None:
    glued = 0
    for seed in range(40, 46):
        one, two = scene(seed), scene(seed + 50)
        collage = np.hstack([one, two[:, : one.shape[1] // 2]])
        captioned_one = np.vstack(
            [one, np.full((one.shape[0] // 3, one.shape[1], 3), 250, np.uint8)]
        )
        both = verifier(a=one, b=collage, c=captioned_one)
        glued += both.verify("a", "b", 0.9).verdict == "duplicate"
        glued += both.verify("c", "b", 0.9).verdict == "duplicate"
    assert not glued


def texture(seed: int, tones: tuple[int, int]) -> Picture:
    """Make a picture of coarse and fine spots whose tones lie between these."""
    rng = np.random.default_rng(seed)
    spots = [cv2.resize(rng.uniform(-1, 1, size), (360, 270)) for size in ((9, 12), (54, 72))]
    low, high = tones
    grey = np.clip((low + high) / 2 + (high - low) * (0.4 * spots[0] + 0.3 * spots[1]), low, high)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def test_a_tile_that_was_cut_is_no_copy_of_the_whole_photograph() -> None:
    """The next tile lies over the rest of the photograph; it is no text, bar or sticker."""
    glued_over = 0
    for seed in range(6):
        one, two = texture(seed, (0, 130)), texture(seed + 50, (120, 250))
        beside = np.hstack([one[:, :270], two[:, :120]])
        over = one.copy()
        over[20:140, 20:200] = two[:120, :180]
        barred = one.copy()
        barred[-70:] = 250
        both = verifier(a=one, b=beside, c=over, d=barred)
        assert both.verify("a", "b", 0.9).verdict == "same_scene", seed
        glued_over += both.verify("a", "c", 0.9).verdict == "duplicate"
        assert both.verify("a", "d", 0.9).verdict == "duplicate", seed
    assert glued_over <= 3  # a rectangle may have the tones of what it covers


def test_a_bar_over_a_part_of_a_photograph_leaves_a_copy() -> None:
    for seed in range(60, 64):
        picture = scene(seed)
        barred = picture.copy()
        barred[-80:] = 20
        cv2.putText(
            barred,
            "LIVE NOW",
            (30, picture.shape[0] - 25),
            cv2.FONT_HERSHEY_SIMPLEX,
            1.5,
            (250,) * 3,
            4,
        )
        assert verifier(a=picture, b=barred).verify("a", "b", 0.9).verdict == "duplicate", seed


def test_before_and_after_an_edit_beside_each_other_are_a_copy() -> None:
    for seed in range(70, 74):
        picture = scene(seed)
        both = np.hstack([picture, toned(picture, 2.2)])
        assert verifier(a=picture, b=both).verify("a", "b", 0.9).verdict == "duplicate", seed


def test_a_page_that_shows_a_part_of_a_photograph_is_a_copy() -> None:
    """Neither picture lies in the other one."""
    copies = 0
    for seed in range(80, 86):
        picture = scene(seed)
        page = on_a_page(picture)[60 + picture.shape[0] // 5 :]
        copies += verifier(a=picture, b=page).verify("a", "b", 0.9).verdict == "duplicate"
    assert copies >= 4


def test_a_print_that_lies_slightly_slanted_on_a_table_is_a_copy() -> None:
    """So slightly that keypoints do not show the slant."""
    copies = 0
    for seed in range(90, 96):
        picture = scene(seed)
        height, width = picture.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        moved = corners + np.array([[70, 60], [72, 61], [69, 61], [71, 58]], np.float32)
        table = np.full((height + 120, width + 140, 3), (150, 110, 80), np.uint8)
        shape = table.shape[1::-1]
        at = cv2.getPerspectiveTransform(corners, moved)
        covered = cv2.warpPerspective(np.full((height, width), 255, np.uint8), at, shape)
        shown = cv2.warpPerspective(picture, at, shape, flags=cv2.INTER_AREA)
        photo = np.where(covered[..., None] > 127, shown, table)
        verdict = verifier(a=picture, b=photo, c=shaken(picture)).verify("a", "b", 0.9)
        copies += verdict.verdict == "duplicate"
    assert copies >= 5


def test_a_photograph_in_a_patterned_frame_is_a_copy() -> None:
    y, x = np.mgrid[:360, :480]
    checks = np.where((x // 12 + y // 12) % 2, 190, 90).astype(np.uint8)
    for seed in range(60, 64):
        picture = scene(seed)
        page = np.repeat(
            checks[: picture.shape[0] + 80, : picture.shape[1] + 80, None], 3, 2
        ).copy()
        page[40 : 40 + picture.shape[0], 40 : 40 + picture.shape[1]] = picture
        assert verifier(a=picture, b=page).verify("a", "b", 0.9).verdict == "duplicate", seed


def test_blank_and_periodic_pictures_are_not_copies_of_each_other() -> None:
    x = np.mgrid[:270, :360][1]
    stripes = [
        np.repeat((127 + 90 * np.sin(2 * np.pi * (x + shift) / step))[..., None], 3, 2)
        for shift, step in ((0, 24), (7, 20))
    ]
    blanks = [np.full((270, 360, 3), tone, np.uint8) for tone in (200, 210)]
    pictures = dict(zip("abcd", [*(s.astype(np.uint8) for s in stripes), *blanks], strict=True))
    both = verifier(**pictures)
    assert both.verify("a", "b", 0.9).verdict != "duplicate"
    assert both.verify("c", "d", 0.9).verdict == "different"
    assert both.verify("a", "c", 0.9).verdict == "different"


def test_skies_with_one_horizon_are_not_copies_of_each_other() -> None:
    y = np.linspace(0, 1, 270)[:, None, None]

    def sky(seed: int) -> Picture:
        cloud = np.random.default_rng(seed).normal(0, 1, (5, 7))
        faint = 8 * cv2.resize(cloud, (360, 270), interpolation=cv2.INTER_CUBIC)[..., None]
        page = np.array([80, 130, 210]) * (1 - y) + np.array([190, 215, 240]) * y + faint
        page[-40:] = (45, 60, 45)
        return np.clip(page, 0, 255).astype(np.uint8)

    both = verifier(a=sky(1), b=sky(2), c=encoded(sky(1), 80))
    assert both.verify("a", "b", 0.9).verdict != "duplicate"
    assert both.verify("a", "c", 0.9).verdict == "duplicate"


def test_products_of_one_shape_in_two_colours_are_two_photographs() -> None:
    def bottle(tone: tuple[int, int, int]) -> Picture:
        page = np.full((270, 360, 3), 255, np.uint8)
        cv2.rectangle(page, (150, 80), (210, 250), tone, -1)
        cv2.rectangle(page, (168, 30), (192, 80), tone, -1)
        return page

    both = verifier(
        a=bottle((200, 40, 40)), b=bottle((40, 40, 200)), c=encoded(bottle((200, 40, 40)), 80)
    )
    assert both.verify("a", "b", 0.9).verdict != "duplicate"
    assert both.verify("a", "c", 0.9).verdict == "duplicate"


def test_fog_needs_a_nearly_perfect_fit() -> None:
    def fog(seed: int) -> Picture:
        return scaled(scaled(scene(seed), 0.02), 45) // 4 + 150

    fogs = verifier(a=fog(20), b=encoded(fog(20), 70), c=fog(21))
    assert fogs.verify("a", "b", 0.9).verdict == "duplicate"
    assert fogs.verify("a", "c", 0.9).verdict != "duplicate"


def test_a_picture_is_loaded_once_while_it_is_cached() -> None:
    loaded: list[str] = []

    def load(name: str) -> Picture:
        loaded.append(name)
        return scene(int(name))

    some = Verifier(FeatureCache(load))
    some.verify("1", "2", 0.9)
    some.verify("2", "3", 0.9)
    assert sorted(loaded) == ["1", "2", "3"]
    assert CACHE_SIZE >= 1000


def test_a_framed_picture_is_named() -> None:
    picture = scene(22)
    assert verifier(a=picture, b=framed(picture)).verify("a", "b", 0.9).framed == ("b",)
