"""One curation run: plan, inputs, stage results, decisions, items, summary."""
