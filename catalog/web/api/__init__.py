"""The handlers, one module a kind of resource, and their OpenAPI description."""
