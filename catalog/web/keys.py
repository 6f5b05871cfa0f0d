"""What the handlers share, under typed keys of the application."""

from aiohttp import web

from catalog.workspace import Workspace

WORKSPACE: web.AppKey[Workspace] = web.AppKey("workspace", Workspace)
