"""Networks that are not part of Safelight and named in a configuration."""
