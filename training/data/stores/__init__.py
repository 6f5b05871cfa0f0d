"""Stores of prepared samples by row: pictures, and vectors of an encoder."""
