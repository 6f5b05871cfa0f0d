"""Metrics, baselines, intervals, calibration, and sentences about the results."""
