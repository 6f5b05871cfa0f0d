"""Keys of the objects that handlers share: `request.app[WORKSPACE]`."""

from aiohttp import web

from catalog.sandbox import QueryPool
from catalog.web.http.credentials import Credentials
from catalog.web.http.settings import ServeSettings
from catalog.web.http.sign_in_limit import SignInLimit
from catalog.web.labelling.label_session import LabelSession
from catalog.web.models.service import ModelService
from catalog.web.predictions.service import PredictionService
from catalog.web.review.review_session import ReviewSession
from catalog.web.sections.picture_locations import PictureLocations
from catalog.web.similarity.service import SimilarityService
from catalog.web.statements.audit_log import AuditLog
from catalog.web.statements.query_registry import QueryRegistry
from catalog.workspace.workspace import Workspace

WORKSPACE = web.AppKey("workspace", Workspace)
SETTINGS = web.AppKey("settings", ServeSettings)
CREDENTIALS = web.AppKey("credentials", Credentials)
POOL = web.AppKey("pool", QueryPool)
SIGN_IN_LIMIT = web.AppKey("sign_in_limit", SignInLimit)
AUDIT_LOG = web.AppKey("audit_log", AuditLog)
QUERIES = web.AppKey("queries", QueryRegistry)
PICTURE_LOCATIONS = web.AppKey("picture_locations", PictureLocations)
REVIEW_SESSION = web.AppKey("review_session", ReviewSession)
LABEL_SESSION = web.AppKey("label_session", LabelSession)
PREDICTIONS = web.AppKey("predictions", PredictionService)
MODELS = web.AppKey("models", ModelService)
SIMILARITY = web.AppKey("similarity", SimilarityService)
CALLER = web.RequestKey("caller", str)
"""The authenticated caller: the name of the token, or `local`."""
