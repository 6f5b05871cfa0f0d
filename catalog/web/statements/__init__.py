"""Statements of the server while they run, and the audit trail of what ran."""
