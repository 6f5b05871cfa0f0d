"""The version of the code, written into every run, release and model."""

__version__ = "0.1.0"
