"""Readers of users' lists and files: CSV, IDX, img2dataset folders, votes."""
