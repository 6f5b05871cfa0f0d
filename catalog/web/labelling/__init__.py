"""Labelling by people: which picture comes next, what was said, and a release of it."""
