"""SQL statements of the server: their registry while they run, and the audit log of those that ended."""
