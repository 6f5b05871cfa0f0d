"""Pulling releases from a service, a folder or a bucket: byte ranges, a cache, a lock file."""
