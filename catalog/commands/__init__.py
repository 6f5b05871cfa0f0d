"""The command line of the catalog, and its interactive shell."""
