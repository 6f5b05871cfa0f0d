"""The order in which rows are drawn, and how they are cut into batches."""
