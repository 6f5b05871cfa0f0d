"""Panels of the best and the worst predictions."""
