"""Findings for people to review: labels that are likely wrong, implausible EXIF settings."""
