"""Contents of the pages: the rows of each section, number formats, and where pictures lie."""
