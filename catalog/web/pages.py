"""Pages for people."""

from aiohttp import web

routes = web.RouteTableDef()
