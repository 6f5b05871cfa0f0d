"""Examine crawled bytes in processes without rights, and check what these say."""
