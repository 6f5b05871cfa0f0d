"""Sections of the report of a head with two classes that asks what is good."""
