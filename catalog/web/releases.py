"""Releases for machines: files by name and by digest."""

from aiohttp import web

routes = web.RouteTableDef()
