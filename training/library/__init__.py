"""The trained models of a workspace for the console: read with care, because anybody may put a folder there."""
