"""Review by people in the browser: queues, items with their evidence, decisions, precision of the groups."""
