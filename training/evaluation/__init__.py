"""Metrics, baselines, intervals, calibration, and the words for what they show."""
