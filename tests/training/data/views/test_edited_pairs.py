import numpy as np

from tests.curation.made_pictures import scene
from training.data.transforms.edits import resize_to_square
from training.data.views.edited_pairs import EditedPairs

VIEW = EditedPairs(input_px=64, most_edits=3)


def samples(n: int = 3) -> list[dict[str, np.ndarray]]:
    return [dict(VIEW.prepare(scene(number))) for number in range(n)]


def rngs(n: int = 3) -> list[np.random.Generator]:
    return [np.random.default_rng(number) for number in range(n)]


def test_a_picture_is_shrunk_to_fit_and_never_enlarged() -> None:
    wide, tiny = np.zeros((100, 400, 3), np.uint8), np.zeros((20, 30, 3), np.uint8)
    assert VIEW.prepare(wide)["picture"].shape == (24, 96, 3)
    assert VIEW.prepare(tiny)["picture"] is tiny
    assert VIEW.prepare(wide)["picture"].nbytes <= VIEW.sample_bytes


def test_a_batch_has_a_light_and_a_heavy_view_of_each_picture() -> None:
    some = samples()
    pictures = VIEW.augment(some, rngs())["pictures"]
    assert pictures.shape == (6, 64, 64, 3)
    assert pictures.dtype == np.uint8
    plain = VIEW.plain(some)["pictures"]
    assert (pictures[:3] != pictures[3:]).any(axis=(1, 2, 3)).all()
    assert (plain == [resize_to_square(each["picture"], 64) for each in some]).all()


def test_views_of_validation_are_those_of_their_generators() -> None:
    some = samples()
    first, second = (VIEW.fixed(some, rngs())["pictures"] for _ in range(2))
    assert (first == second).all()
    assert (first == VIEW.augment(some, rngs())["pictures"]).all()
