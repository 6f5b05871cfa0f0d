"""Smaller versions of the pictures of a release."""
