"""Names of the objects that handlers share: `request.app[WORKSPACE]`."""

from aiohttp import web

from catalog.web.settings import ServeSettings
from catalog.workspace import Workspace

WORKSPACE = web.AppKey("workspace", Workspace)
SETTINGS = web.AppKey("settings", ServeSettings)
