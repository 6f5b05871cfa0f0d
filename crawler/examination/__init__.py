"""Examine crawled bytes in processes without rights, and validate their results."""
