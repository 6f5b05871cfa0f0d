from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from photosite.optics import lens, sensor, shutter
from photosite.optics.layers import Canvas, Layer, Pixels, PointLight, linear_colour, premultiply
from photosite.pictures.camera import photograph, photograph_scene
from photosite.plan.shot_parameters import FAMILY_LIGHT
from photosite.scenes.kinds import BUILDERS, Scene
from tests.photosite.shots_for_tests import SMALL_CAMERA, shot

FRAME = (128, 192)


def grey(value: float = 0.18) -> Pixels:
    return premultiply(np.full((3, *FRAME), value, np.float32))


def stripes() -> Pixels:
    """Give columns of random grey: any blur across takes detail from them."""
    light = np.random.default_rng(3).uniform(0.05, 0.6, FRAME[1]).astype(np.float32)
    return premultiply(np.broadcast_to(light, (3, *FRAME)).copy())


def detail(picture: NDArray[np.uint8]) -> float:
    """Measure how much neighbouring columns differ, in grey levels."""
    values = picture.astype(float).mean(axis=2)
    return float(np.abs(np.diff(values[20:-20, 20:-20], axis=1)).mean())


@pytest.mark.parametrize("family", sorted(BUILDERS))
def test_every_family_gives_a_picture_with_light_and_shade(family: str) -> None:
    light = sum(FAMILY_LIGHT[family]) / 2
    picture = photograph(shot(family, light=light))
    assert picture.shape == (128, 192, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 12
    assert 15 < picture.mean() < 225


def test_the_same_shot_gives_the_same_bytes_and_another_view_others() -> None:
    assert np.array_equal(photograph(shot()), photograph(shot()))
    assert not np.array_equal(photograph(shot()), photograph(shot(view=7)))


def test_an_upright_shot_is_taller_than_wide() -> None:
    assert photograph(shot("forest", is_upright=True)).shape == (192, 128, 3)


def test_families_are_the_same_in_the_plan_and_in_the_scenes() -> None:
    assert set(FAMILY_LIGHT) == set(BUILDERS)


def test_the_blur_circle_follows_the_thin_lens_formula() -> None:
    # 50 mm at f/2 focused at 2 m: a point at infinity becomes 50**2 / (2 * 1950) = 0.641 mm wide.
    radius = lens.blur_radius_px(shot(f_number=Fraction(2)), 2.0, 1e9)
    assert radius == pytest.approx(0.641 / 36 * 192 / 2, rel=0.01)
    assert lens.blur_radius_px(shot(), 2.0, 2.0) == 0


def test_the_background_loses_detail_as_the_aperture_opens() -> None:
    scene = Scene([Layer(stripes(), 50.0)], focus_m=0.8, frame=FRAME)
    sharpness = [
        detail(photograph_scene(scene, shot(f_number=Fraction(n), exposure_time=Fraction(1))))
        for n in ("16", "5.6", "2.8", "1.4")
    ]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 3 * sharpness[-1]


def test_what_is_in_focus_stays_sharp_at_any_aperture() -> None:
    wide = shot(f_number=Fraction("1.4"), exposure_time=Fraction(1))
    near, far = (
        detail(photograph_scene(Scene([Layer(stripes(), depth)], 0.8, FRAME), wide))
        for depth in (0.8, 50.0)
    )
    assert near > 4 * far


def test_a_wide_open_lens_scatters_more_light() -> None:
    point = np.zeros((3, 64, 64), np.float32)
    point[:, 32, 32] = 1
    scattered = lens.add_stray_light(point, near=0.5, far=0.05)
    assert scattered[0, 32, 32] < 0.6
    assert scattered.sum() == pytest.approx(point.sum(), rel=0.02)


def test_corners_darken_as_the_aperture_opens() -> None:
    dark = replace(SMALL_CAMERA, vignette=1.0)
    corners = [
        lens.vignette(shot(f_number=Fraction(n), camera=dark), FRAME)[0, 0]
        for n in ("1.4", "2", "8")
    ]
    assert corners[0] < corners[1] < corners[2] < 1


def test_a_lamp_out_of_focus_becomes_a_larger_and_fainter_disc_with_the_same_light() -> None:
    lamp = Layer(
        np.zeros((4, *FRAME), np.float32), 1e5, lights=[PointLight(96, 64, (50, 50, 50), 1.5)]
    )
    discs = [
        lens.focus(replace(lamp, pixels=lamp.pixels.copy()), shot(f_number=n), 0.8, FRAME).pixels[0]
        for n in (Fraction(8), Fraction("1.4"))
    ]
    assert (discs[1] > 0).sum() > 5 * (discs[0] > 0).sum()
    assert discs[1].max() < discs[0].max()
    assert discs[1].sum() == pytest.approx(discs[0].sum(), rel=0.25)


def test_closed_blades_draw_stars_and_open_ones_do_not() -> None:
    frames = []
    for f_number in (2.8, 16.0):
        frame = np.zeros((3, *FRAME), np.float32)
        lens.add_stars(frame, [PointLight(96, 64, (9, 9, 9), 2)], f_number)
        frames.append(frame)
    assert not frames[0].any()
    assert frames[1][0, 64, 90] > 0


@pytest.mark.parametrize("radius", [0.6, 1.3, 2.5, 5.0, 11.0])
def test_blur_keeps_the_light(radius: float) -> None:
    point = np.zeros((3, 64, 64), np.float32)
    point[:, 30:34, 30:34] = 1
    blur = lens.disc_blur(point, radius)
    assert blur.sum() == pytest.approx(point.sum(), rel=0.02)
    assert blur.max() < 1.0001


def test_noise_variance_grows_with_iso_in_proportion() -> None:
    scene = Scene([Layer(grey(), 2.0, plain=True)], focus_m=2.0, frame=FRAME)
    variances = []
    for iso in (100, 800, 6400):
        values = photograph_scene(scene, shot(iso=iso, view=1, exposure_time=Fraction(1)))[
            ..., 1
        ].astype(float)
        variances.append(values.var())
    assert variances[0] < variances[1] / 4 < variances[2] / 16


def test_noise_in_linear_light_follows_shot_noise() -> None:
    rng = np.random.default_rng(0)
    light = np.full((3, 128, 128), 0.4, np.float32)
    deviation = (sensor.add_noise(light.copy(), 400, SMALL_CAMERA, rng) - light).std()
    assert deviation == pytest.approx((0.4 * 4 / sensor.FULL_WELL) ** 0.5, rel=0.1)


def test_red_noise_is_coarser_than_green_noise() -> None:
    bank = sensor._noise_bank()
    likeness = [np.corrcoef(plane[:, :-1].ravel(), plane[:, 1:].ravel())[0, 1] for plane in bank]
    assert likeness[0] > likeness[1] + 0.05


def test_things_that_move_smear_more_with_time() -> None:
    scene = Scene([Layer(stripes(), 2.0, velocity=(300.0, 0.0))], focus_m=2.0, frame=FRAME)
    sharpness = [
        detail(photograph_scene(scene, shot(exposure_time=Fraction(1, t)))) for t in (2000, 125, 50)
    ]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 2 * sharpness[-1]


def test_a_streak_is_as_long_as_the_way() -> None:
    point = np.zeros((3, 9, 101), np.float32)
    point[:, 4, 50] = 1
    lit = shutter.motion_blur(point, 32.0, 0.0)[0, 4] > 0.005
    assert 28 <= lit.sum() <= 36


def test_a_hand_shakes_longer_exposures_and_a_tripod_never() -> None:
    frame = stripes()[:3]
    rng = np.random.default_rng(1)
    contrast = [
        shutter.add_camera_shake(frame, shot(exposure_time=time), rng).std()
        for time in (Fraction(1, 4000), Fraction(1, 15), Fraction(2))
    ]
    assert contrast[1] < contrast[0]
    assert contrast[2] == frame.std()


def test_screen_colours_become_linear_light() -> None:
    assert linear_colour("000000") == (0, 0, 0)
    assert linear_colour("808080")[0] == pytest.approx(0.2158, abs=0.004)


def test_edges_of_painted_shapes_keep_their_colour() -> None:
    canvas = Canvas((40, 40))
    canvas.oval((20, 20), (9.3, 9.3), "c83214")
    pixels = canvas.layer(1.0).pixels
    partly = (pixels[3] > 0.2) & (pixels[3] < 0.9)
    assert partly.any()
    red, green, _ = linear_colour("c83214")
    assert pixels[0][partly] / pixels[1][partly] == pytest.approx(red / green, rel=0.1)


def test_an_empty_canvas_is_an_invisible_layer() -> None:
    assert not Canvas((20, 10)).layer(1.0).pixels.any()
