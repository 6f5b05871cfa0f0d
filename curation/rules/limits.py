"""Limits of the EXIF rules and sessions that a plan may set, and the version of the rules; imports no library."""

from typing import Final

RULES_VERSION: Final = "3"

# Measured on 860 camera files with thumbnails: none of them is below 0.7, 98 % of swapped thumbnails are.
THUMBNAIL_CORRELATION: Final = 0.7

SESSION_MINUTES: Final = 10.0
"""Longest pause inside a session."""
