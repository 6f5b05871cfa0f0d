"""Hashes, vectors and the alignment of two pictures; nothing here knows of runs or tables."""
