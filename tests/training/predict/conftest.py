"""The browser of the console's tests, for those that need a real model behind the page."""

from tests.catalog.web.conftest import browser

__all__ = ["browser"]
