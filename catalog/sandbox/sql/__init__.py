"""Untrusted statements: which may run, and the processes that run them on a frozen copy of the catalog."""
