"""What is made of the result of a statement: pages, files, summaries, facets."""
