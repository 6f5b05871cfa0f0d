"""Predictions of uploaded pictures: the contract of a predictor, and the service that limits its work."""
