"""The HTTP server of the site: API, pictures, quota and request log."""
