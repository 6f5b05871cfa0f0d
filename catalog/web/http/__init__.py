"""What all handlers share: request parsing, error responses, credentials, settings and the keys of the application."""
