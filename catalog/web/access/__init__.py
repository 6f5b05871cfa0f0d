"""Who may ask: sign-in, tokens, hosts, response headers."""
