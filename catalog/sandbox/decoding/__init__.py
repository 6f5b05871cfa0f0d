"""Untrusted pictures: processes without rights that decode them, and the pool that feeds these processes."""
