"""What the pages show: rows of a section, their formatting, where a picture lies."""
