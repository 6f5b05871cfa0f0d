"""Copies: candidates, verification, groups, and the copy that is kept."""
