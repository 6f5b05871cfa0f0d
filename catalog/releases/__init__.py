"""Immutable dataset versions: cut, publish, describe, sign, compare, export, verify, load."""

from catalog.renamed_functions import call_as

call_as(__name__, "list_releases")
