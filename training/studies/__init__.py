"""Comparisons of many models."""
