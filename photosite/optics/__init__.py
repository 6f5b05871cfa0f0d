"""Lens, shutter, sensor and layers: the rendering from light to pixels."""
