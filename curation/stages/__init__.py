"""Stages: what is computed once for each picture and kept."""
