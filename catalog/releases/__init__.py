"""Immutable dataset versions: cut, publish, describe, sign, compare, export, verify, load."""
