"""From EXIF bytes to one typed row in SI units."""
