"""What lies beside a picture within a larger one: a page, a frame, a table, or another photograph."""
