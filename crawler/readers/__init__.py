"""Readers of users' own lists and files: CSV, IDX, img2dataset folders, votes."""
