"""Rules over EXIF rows, bins in stops, sessions."""
