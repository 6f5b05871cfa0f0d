"""The command line of curation."""
