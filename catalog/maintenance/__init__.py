"""Backup, upkeep and verification of a workspace."""
