"""The kinds of scenes that the demo camera photographs, by name."""

from collections.abc import Callable

from crawler.demo.scenes_country import forest, garden, harbour, mountain_lake
from crawler.demo.scenes_indoors import cafe, table
from crawler.demo.scenes_people import portrait, track
from crawler.demo.scenes_town import night_city, street
from crawler.demo.shots import Shot
from crawler.demo.stage import Scene, Stage

__all__ = ["BUILDERS", "Scene", "build"]

BUILDERS: dict[str, Callable[[Stage], Scene]] = {
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
    return BUILDERS[shot.family](Stage(shot, INDOORS.get(shot.family)))
