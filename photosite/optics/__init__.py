"""Lens, shutter, sensor and layers: how light becomes pixels."""
