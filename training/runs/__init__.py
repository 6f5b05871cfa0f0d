"""One training run from release to saved files."""
