"""Splits: groups, strata, balance and the audit of leaks."""
