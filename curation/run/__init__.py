"""One curation run: plan, inputs, steps, decisions, summary."""
