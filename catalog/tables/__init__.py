"""What the tables are: columns with their units, keys, views, and the questions that come with Safelight."""
