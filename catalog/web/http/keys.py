"""Names of the objects that handlers share: `request.app[WORKSPACE]`."""

from aiohttp import web

from catalog.sandbox import QueryPool
from catalog.web.http.settings import ServeSettings
from catalog.web.http.sign_in_limit import SignInLimit
from catalog.web.http.tokens import Doors
from catalog.web.review.review_session import Desk
from catalog.web.sections.picture_locations import Places
from catalog.web.statements.audit import Audit
from catalog.web.statements.query_registry import Queries
from catalog.workspace.workspace import Workspace

WORKSPACE = web.AppKey("workspace", Workspace)
SETTINGS = web.AppKey("settings", ServeSettings)
DOORS = web.AppKey("doors", Doors)
POOL = web.AppKey("pool", QueryPool)
SIGN_INS = web.AppKey("sign_ins", SignInLimit)
AUDIT = web.AppKey("audit", Audit)
QUERIES = web.AppKey("queries", Queries)
PLACES = web.AppKey("places", Places)
DESK = web.AppKey("desk", Desk)
CALLER = web.RequestKey("caller", str)
"""Who asks: the name of the token, or `local`."""
