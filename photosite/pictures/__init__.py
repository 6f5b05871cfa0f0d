"""Made photographs as files, with tags and edits."""
