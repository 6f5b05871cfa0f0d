"""Pages and the HTTP API of a workspace."""
