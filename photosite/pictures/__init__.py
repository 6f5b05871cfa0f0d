"""The photographs as files, with EXIF tags and edits."""
