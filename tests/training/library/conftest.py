"""The browser of the console's tests, for pages about really trained models."""

from tests.catalog.web.conftest import browser

__all__ = ["browser"]
