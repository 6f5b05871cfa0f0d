"""The site itself: its API, pictures, quota and request log."""
