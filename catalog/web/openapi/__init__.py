"""The description of the HTTP API (OpenAPI 3.1): its operations, and the schemas of requests and responses."""
