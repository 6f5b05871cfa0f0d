"""The demo's camera: render the picture of a shot.

Lens (blur by distance) and shutter (blur by motion) are applied to each layer of the scene. The layers together are
the light on the sensor, which adds noise. The processor converts the light to bytes.
"""

import numpy as np
from numpy.typing import NDArray

from photosite.optics import lens, sensor, shutter
from photosite.optics.layers import Layer, Pixels
from photosite.plan.shot_parameters import Shot
from photosite.scenes.kinds import Scene, build

GLOW_SHARE = 0.05  # share of the light that the lens scatters at any aperture
WIDE, WIDE_GLOW_SHARE = 1.4, 0.5  # spherical aberration: half of the light at f/1.4, 6 % at f/5.6


def photograph(shot: Shot) -> NDArray[np.uint8]:
    """Take a picture: (H, W, 3) sRGB bytes, upright; the same bytes for the same shot."""
    return photograph_scene(build(shot), shot)


def photograph_scene(scene: Scene, shot: Shot) -> NDArray[np.uint8]:
    """Photograph a scene, which may be one that no family builds."""
    rng = np.random.default_rng([shot.view, 1])
    light = shutter.add_camera_shake(_light_on_sensor(scene, shot), shot, rng)
    near = WIDE_GLOW_SHARE * (WIDE / float(shot.f_number)) ** 1.5
    light = lens.add_stray_light(light, near, GLOW_SHARE)
    light *= lens.vignette(shot, scene.frame)
    light *= np.float32(
        2 ** rng.normal(scene.key, 0.22)
    )  # errors of the light meter and exposure compensation
    return sensor.develop(sensor.add_noise(light, shot.iso, shot.camera, rng), shot.camera)


def _light_on_sensor(scene: Scene, shot: Shot) -> Pixels:
    frame = np.zeros((3, *scene.frame), np.float32)
    lights = []
    for layer in scene.layers:
        focused = lens.focus(layer, shot, scene.focus_m, scene.frame)
        _paste_layer(frame, shutter.expose(focused, shot, scene.frame))
        lights += [light for light in layer.lights if light.radius_px * max(light.colour) > 4]
    lens.add_stars(frame, lights[:24], float(shot.f_number))
    return frame


def _paste_layer(frame: Pixels, layer: Layer) -> None:
    """Composite a layer over the frame, in place."""
    _, height, width = layer.pixels.shape
    top, left = max(0, layer.top), max(0, layer.left)
    bottom = min(frame.shape[1], layer.top + height)
    right = min(frame.shape[2], layer.left + width)
    if bottom <= top or right <= left:
        return
    pixels = layer.pixels[
        :, top - layer.top : bottom - layer.top, left - layer.left : right - layer.left
    ]
    covered = frame[:, top:bottom, left:right]
    covered *= 1 - pixels[3]
    covered += pixels[:3]
