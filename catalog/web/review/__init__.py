"""Reviewing in the browser: queues, items with their evidence, decisions, precision."""
