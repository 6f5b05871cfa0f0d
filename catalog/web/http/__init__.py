"""What all handlers share: request parsing, errors, tokens, settings and the keys of the application."""
