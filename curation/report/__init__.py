"""The report of a curation run."""
