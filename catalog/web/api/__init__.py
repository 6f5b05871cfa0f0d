"""The HTTP handlers, one module per kind of resource, and the OpenAPI description of the API."""
