"""Polite HTTP: addresses, connections, limits, robots.txt, pauses, failures."""
