"""Predictions of a saved model."""
