"""Rules and flags for EXIF records, bins in stops, sessions."""
