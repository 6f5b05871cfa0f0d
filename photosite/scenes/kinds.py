"""The kinds of scenes that the demo camera photographs, by name."""

from collections.abc import Callable

from photosite.plan.shot_parameters import Shot
from photosite.scenes.country import forest, garden, harbour, mountain_lake
from photosite.scenes.indoors import cafe, table
from photosite.scenes.people import portrait, track
from photosite.scenes.scene_context import Scene, SceneContext
from photosite.scenes.town import night_city, street

__all__ = ["BUILDERS", "Scene", "build"]

BUILDERS: dict[str, Callable[[SceneContext], Scene]] = {
    "mountains": mountain_lake,
    "street": street,
    "portrait": portrait,
    "harbour": harbour,
    "garden": garden,
    "forest": forest,
    "track": track,
    "table": table,
    "cafe": cafe,
    "nightcity": night_city,
}
INDOORS = {"table": "window", "cafe": "lamp"}


def build(shot: Shot) -> Scene:
    """Build the scene of a shot; raises `KeyError` for a family that does not exist."""
    return BUILDERS[shot.family](SceneContext(shot, INDOORS.get(shot.family)))
