import numpy as np

from tests.curation.made_pictures import scene
from training.data.transforms import edits


def test_an_edit_gives_a_picture_and_leaves_the_original_alone() -> None:
    picture = scene(3)
    kept = picture.copy()
    for edit, _ in edits.EDITS:
        for seed in range(6):
            result = edit(picture, np.random.default_rng(seed))
            assert result.dtype == np.uint8
            assert result.ndim == 3
            assert min(result.shape[:2]) >= edits.MIN_SIDE_PX
            if edit is edits.flip:
                assert not np.array_equal(result, picture)
    for seed in range(12):
        copy = edits.apply_edits(picture, np.random.default_rng(seed), 4, scene(4))
        again = edits.apply_edits(picture, np.random.default_rng(seed), 4, scene(4))
        np.testing.assert_array_equal(copy, again)
    np.testing.assert_array_equal(picture, kept)


def test_a_pasted_picture_covers_more_than_half() -> None:
    black, white = np.zeros((120, 160, 3), np.uint8), np.full((90, 90, 3), 255, np.uint8)
    for seed in range(20):
        result = edits.paste_onto(black, white, np.random.default_rng(seed))
        assert 0.53 < (result == 0).mean() < 0.87
